package panther.kwik;

import java.util.List;
import java.util.Map;

/** kwik as a server and a client of files, driven like an endpoint of the QUIC interop runner. */
final class Main {
    private static final int UNSUPPORTED = 127;
    private static final Map<String, List<String>> SUPPORTED = Map.of(
            "server", List.of("handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt",
                    "keyupdate", "chacha20", "versionnegotiation", "v2"),
            "client", List.of("handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt",
                    "keyupdate", "chacha20", "v2"));

    private Main() {
    }

    public static void main(String[] words) {
        try {
            Settings settings = Settings.load(words);
            if (!SUPPORTED.getOrDefault(settings.role(), List.of()).contains(settings.testcase())) {
                System.err.println("unsupported test case: " + settings.testcase() + " as " + settings.role());
                System.exit(UNSUPPORTED);
            }
            if (settings.role().equals("server")) {
                new FileServer(settings).serve();
            } else {
                new FileClient(settings).fetch();
                System.exit(0);
            }
        } catch (Exception error) {
            System.err.println("failed: " + (error.getCause() == null ? error : error.getCause()));
            System.exit(1);
        }
    }
}
