package panther.kwik;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What the program is asked to do, and where; what the interop runner fixes (/www, port 443) are the defaults. */
record Settings(String role, String testcase, String alpn, List<URI> requests, InetSocketAddress listen,
                Path root, Path downloads, Path certs, Optional<Path> keys) {

    static final String H3 = "h3";
    static final String HQ = "hq-interop";

    static Settings load(String[] words) throws Exception {
        String testcase = variable("TESTCASE", "");
        List<URI> requests = new ArrayList<>();
        for (String word : words.length > 0 ? words : variable("REQUESTS", "").trim().split("\\s+")) {
            if (!word.isEmpty()) {
                requests.add(new URI(word));
            }
        }
        InetAddress address = InetAddress.getByName(variable("IP", "::"));
        return new Settings(variable("ROLE", ""), testcase,
                variable("ALPN", testcase.equals("http3") ? H3 : HQ), requests,
                new InetSocketAddress(address, Integer.parseInt(variable("PORT", "443"))),
                Path.of(variable("WWW", "/www")), Path.of(variable("DOWNLOADS", "/downloads")),
                Path.of(variable("CERTS", "/certs")),
                Optional.of(variable("SSLKEYLOGFILE", "")).filter(name -> !name.isEmpty()).map(Path::of));
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    boolean is(String name) {
        return testcase.equals(name);
    }

    /** Returns the file that a request names, never one outside of the root. */
    Path file(String name) {
        return root.resolve(Path.of("/").resolve(name.substring(name.startsWith("/") ? 1 : 0)).normalize().toString().substring(1));
    }

    Path download(URI request) {
        return downloads.resolve(Path.of(request.getPath()).getFileName());
    }
}
