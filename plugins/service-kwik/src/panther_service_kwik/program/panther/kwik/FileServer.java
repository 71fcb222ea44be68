package panther.kwik;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.DatagramSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import tech.kwik.core.QuicConnection;
import tech.kwik.core.QuicConnection.QuicVersion;
import tech.kwik.core.QuicStream;
import tech.kwik.core.log.NullLogger;
import tech.kwik.core.server.ApplicationProtocolConnection;
import tech.kwik.core.server.ApplicationProtocolConnectionFactory;
import tech.kwik.core.server.ServerConnectionConfig;
import tech.kwik.core.server.ServerConnector;
import tech.kwik.flupke.server.Http3ApplicationProtocolFactory;
import tech.kwik.flupke.server.HttpServerRequest;
import tech.kwik.flupke.server.HttpServerResponse;

/** Serves the files of a folder over hq-interop and HTTP/3. */
final class FileServer implements ApplicationProtocolConnectionFactory {
    private static final int STREAMS = 100;
    private static final int IDLE_SECONDS = 30;
    private static final long STREAM_WINDOW = 1_000_000;
    private static final long WINDOW = 10_000_000;
    private static final int LONGEST_REQUEST = 8192;
    private static final int PIECE = 1000;
    private static final char[] PASSWORD = "unused".toCharArray();

    private final Settings settings;

    FileServer(Settings settings) {
        this.settings = settings;
    }

    void serve() throws Exception {
        ServerConnectionConfig config = ServerConnectionConfig.builder()
                .maxIdleTimeoutInSeconds(IDLE_SECONDS)
                .maxConnectionBufferSize(WINDOW)
                .maxUnidirectionalStreamBufferSize(STREAM_WINDOW)
                .maxBidirectionalStreamBufferSize(STREAM_WINDOW)
                .maxOpenPeerInitiatedBidirectionalStreams(STREAMS)
                .maxOpenPeerInitiatedUnidirectionalStreams(STREAMS)
                .retryRequired(settings.is("retry"))
                .build();
        DatagramSocket socket = new DatagramSocket(settings.listen());
        ServerConnector connector = ServerConnector.builder()
                .withSocket(socket)
                .withKeyStore(identity(), "server", PASSWORD, "secp256r1")
                .withSupportedVersions(java.util.List.of(QuicVersion.V1, QuicVersion.V2))
                .withConfiguration(config)
                .withLogger(new NullLogger())
                .build();
        connector.registerApplicationProtocol(Settings.HQ, this);
        connector.registerApplicationProtocol(Settings.H3, new Http3ApplicationProtocolFactory(this::answer));
        connector.start();
        System.out.println("listening on " + socket.getLocalSocketAddress());
    }

    private KeyStore identity() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, PASSWORD);
        String text = Files.readString(settings.certs().resolve("priv.key")).replaceAll("-----[^-]+-----|\\s", "");
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
        try (InputStream chain = Files.newInputStream(settings.certs().resolve("cert.pem"))) {
            Certificate[] found = CertificateFactory.getInstance("X.509").generateCertificates(chain).toArray(Certificate[]::new);
            store.setKeyEntry("server", key, PASSWORD, found);
        }
        return store;
    }

    private void answer(HttpServerRequest request, HttpServerResponse response) throws IOException {
        // flupke tells the client to stop what has not been read, with a code that clients take for an error.
        request.body().transferTo(OutputStream.nullOutputStream());
        Path file = settings.file(request.path());
        if (!Files.isRegularFile(file)) {
            response.setStatus(404);
            return;
        }
        response.setStatus(200);
        copy(file, response.getOutputStream());
        response.getOutputStream().close();
    }

    /**
     * Sends a file in pieces of which each fits into a packet. kwik makes a request to send what is written, and counts it after
     * that: if its sender was faster, it sends one packet and never asks for another.
     */
    private static void copy(Path file, OutputStream out) throws IOException {
        byte[] piece = new byte[PIECE];
        try (InputStream in = Files.newInputStream(file)) {
            for (int length = in.read(piece); length > 0; length = in.read(piece)) {
                out.write(piece, 0, length);
            }
        }
    }

    @Override
    public ApplicationProtocolConnection createConnection(String protocol, QuicConnection connection) {
        return new ApplicationProtocolConnection() {
            @Override
            public void acceptPeerInitiatedStream(QuicStream stream) {
                Thread worker = new Thread(() -> answer(stream));
                worker.setDaemon(true);
                worker.start();
            }
        };
    }

    private void answer(QuicStream stream) {
        try (var out = stream.getOutputStream()) {
            String line = new String(stream.getInputStream().readNBytes(LONGEST_REQUEST), StandardCharsets.UTF_8).trim();
            Path file = line.startsWith("GET ") ? settings.file(line.substring(4)) : null;
            if (file == null || !Files.isRegularFile(file)) {
                stream.resetStream(1);
                return;
            }
            copy(file, out);
        } catch (IOException error) {
            System.err.println(error);
        }
    }

    @Override
    public int maxConcurrentPeerInitiatedBidirectionalStreams() {
        return STREAMS;
    }
}
