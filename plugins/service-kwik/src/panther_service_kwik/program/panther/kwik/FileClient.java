package panther.kwik;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import tech.kwik.agent15.TlsConstants.CipherSuite;
import tech.kwik.core.QuicClientConnection;
import tech.kwik.core.QuicClientConnection.StreamEarlyData;
import tech.kwik.core.QuicConnection.QuicVersion;
import tech.kwik.core.QuicSessionTicket;
import tech.kwik.core.QuicStream;
import tech.kwik.core.impl.QuicClientConnectionImpl;
import tech.kwik.flupke.Http3SingleConnectionClient;

/** Fetches files over hq-interop or HTTP/3. */
final class FileClient {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration PATIENCE_AT_THE_END = Duration.ofSeconds(1);
    private static final int THREADS = 50;
    private static final int UPDATE_AFTER = 64 * 1024;
    private static final long POLL_MILLISECONDS = 2;
    private static final Pattern ADDRESS = Pattern.compile("\\[.*]|[0-9.]+");
    private static final String NAME_OF_AN_ADDRESS = "server";

    private final Settings settings;
    private final ExecutorService workers = Executors.newFixedThreadPool(THREADS);
    private QuicSessionTicket ticket;

    FileClient(Settings settings) {
        this.settings = settings;
    }

    void fetch() throws Exception {
        boolean twice = settings.is("resumption") || settings.is("zerortt");
        List<URI> all = settings.requests();
        if (settings.is("multiconnect")) {
            for (URI each : all) {
                session(List.of(each), false);
            }
        } else if (twice) {
            session(all.subList(0, 1), true);
            session(all.subList(1, all.size()), false);
        } else {
            session(all, false);
        }
    }

    private QuicClientConnection connection(URI server) throws Exception {
        QuicClientConnection.Builder builder = QuicClientConnection.newBuilder()
                .host(name(server))
                .proxy(server.getHost())
                .port(server.getPort())
                .applicationProtocol(settings.alpn())
                .connectTimeout(PATIENCE)
                .customTrustManager(authority());
        if (settings.keys().isPresent()) {
            builder.secrets(secrets());
        }
        if (settings.is("chacha20")) {
            builder.cipherSuite(CipherSuite.TLS_CHACHA20_POLY1305_SHA256);
        }
        if (settings.is("v2")) {
            builder.initialVersion(QuicVersion.V1).preferredVersion(QuicVersion.V2);
        }
        if (ticket != null) {
            builder.sessionTicket(ticket);
        }
        return builder.build();
    }

    /**
     * The name for which the server has a certificate. kwik would send an address as the name of a server, too, which TLS forbids
     * and servers refuse, and finds no address in a certificate.
     */
    private static String name(URI server) {
        return ADDRESS.matcher(server.getHost()).matches() ? NAME_OF_AN_ADDRESS : server.getHost();
    }

    /** Where kwik writes the keys of one connection: it begins the file anew for each. */
    private Path secrets() {
        return settings.keys().orElseThrow().resolveSibling("keys.one");
    }

    private void keepSecrets() throws IOException {
        if (settings.keys().isPresent() && Files.exists(secrets())) {
            Files.write(settings.keys().get(), Files.readAllBytes(secrets()), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            Files.delete(secrets());
        }
    }

    private X509TrustManager authority() throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream text = Files.newInputStream(settings.certs().resolve("ca.pem"))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(text));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return new Signing((X509TrustManager) factory.getTrustManagers()[0]);
    }

    /**
     * Verifies certificates as those of TLS 1.3, which sign. kwik says "RSA" of every server, which then has to be allowed
     * to encipher keys.
     */
    private record Signing(X509TrustManager real) implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
            real.checkClientTrusted(chain, type);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            real.checkServerTrusted(chain, "UNKNOWN");
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return real.getAcceptedIssuers();
        }
    }

    private void session(List<URI> requests, boolean awaitsTicket) throws Exception {
        QuicClientConnection connection = connection(requests.get(0));
        try {
            transfer(connection, requests, awaitsTicket);
        } finally {
            connection.closeAndWait(PATIENCE_AT_THE_END);
            keepSecrets();
        }
    }

    private void transfer(QuicClientConnection connection, List<URI> requests, boolean awaitsTicket) throws Exception {
        List<QuicStream> early = List.of();
        if (settings.is("zerortt") && ticket != null) {
            early = connection.connect(requests.stream().map(each -> new StreamEarlyData(line(each), true)).toList());
        } else {
            connection.connect();
        }
        // Without another id of the client, a server cannot follow it to another address, and kwik offers none by itself.
        ((QuicClientConnectionImpl) connection).newConnectionIds(1, 0);
        if (settings.alpn().equals(Settings.H3)) {
            overH3(connection, requests);
        } else {
            overHq(connection, requests, early);
        }
        if (awaitsTicket) {
            awaitTicket(connection);
        }
    }

    private void awaitTicket(QuicClientConnection connection) throws Exception {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (connection.getNewSessionTickets().isEmpty()) {
            if (System.nanoTime() > end) {
                throw new IOException("the server sent no session ticket");
            }
            Thread.sleep(POLL_MILLISECONDS);
        }
        ticket = connection.getNewSessionTickets().get(0);
    }

    private static byte[] line(URI request) {
        return ("GET " + request.getPath() + "\r\n").getBytes(StandardCharsets.UTF_8);
    }

    private void overHq(QuicClientConnection connection, List<URI> requests, List<QuicStream> early) throws Exception {
        List<Callable<Void>> tasks = new ArrayList<>();
        for (int at = 0; at < requests.size(); at++) {
            URI request = requests.get(at);
            QuicStream begun = at < early.size() ? early.get(at) : null;
            tasks.add(() -> {
                QuicStream stream = begun;
                if (stream == null) {
                    stream = connection.createStream(true);
                    stream.getOutputStream().write(line(request));
                    stream.getOutputStream().close();
                }
                InputStream body = stream.getInputStream();
                if (settings.is("keyupdate")) {
                    body = updatedAfter(body.readNBytes(UPDATE_AFTER), connection, body);
                }
                Files.copy(body, settings.download(request), StandardCopyOption.REPLACE_EXISTING);
                return null;
            });
        }
        all(tasks);
    }

    /** Updates the keys in the middle of a file: kwik refuses before the server has confirmed the handshake. */
    private static InputStream updatedAfter(byte[] begin, QuicClientConnection connection, InputStream rest) {
        ((QuicClientConnectionImpl) connection).updateKeys();
        return new SequenceInputStream(new ByteArrayInputStream(begin), rest);
    }

    private void overH3(QuicClientConnection connection, List<URI> requests) throws Exception {
        Http3SingleConnectionClient web = new Http3SingleConnectionClient(connection, PATIENCE, null);
        List<Callable<Void>> tasks = new ArrayList<>();
        for (URI request : requests) {
            tasks.add(() -> {
                Path target = settings.download(request);
                HttpRequest wanted = HttpRequest.newBuilder(request).GET().build();
                HttpResponse<Path> response = web.send(wanted, HttpResponse.BodyHandlers.ofFile(target));
                if (response.statusCode() != 200) {
                    throw new IOException(request + ": status " + response.statusCode());
                }
                return null;
            });
        }
        all(tasks);
    }

    private void all(List<Callable<Void>> tasks) throws Exception {
        for (Future<Void> each : workers.invokeAll(tasks)) {
            each.get();
        }
    }
}
