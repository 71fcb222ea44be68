use std::sync::Arc;

use bytes::Bytes;
use peer::{H3, Outcome, Settings};
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Connection, Endpoint, Incoming, ServerConfig, VarInt};
use tokio::signal::unix::{SignalKind, signal};

pub async fn serve(settings: Settings) -> Outcome<()> {
    let tls = peer::tls::server(&settings, rustls::crypto::ring::default_provider(), peer::tls::BOTH)?;
    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let endpoint = Endpoint::server(config.clone(), settings.listen)?;
    println!("listening on {}", endpoint.local_addr()?);
    let settings = Arc::new(settings);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let incoming = tokio::select! {
            _ = terminate.recv() => break,
            incoming = endpoint.accept() => incoming.ok_or("the endpoint was closed")?,
        };
        if settings.is("retry") && !incoming.remote_address_validated() {
            incoming.retry()?;
            continue;
        }
        tokio::spawn(talk(settings.clone(), incoming, config.clone()));
    }
    endpoint.close(VarInt::from_u32(0), b"");
    crate::farewell(&endpoint).await;
    Ok(())
}

async fn talk(settings: Arc<Settings>, incoming: Incoming, mut config: ServerConfig) {
    config.transport_config(crate::transport(&settings));
    let outcome = async {
        let connection = incoming.accept_with(Arc::new(config))?.await?;
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        match data.and_then(|data| data.protocol) {
            Some(alpn) if alpn == H3.as_bytes() => over_h3(&settings, connection).await,
            _ => over_hq(settings, connection).await,
        }
    };
    if let Err(error) = outcome.await {
        eprintln!("{error}");
    }
}

async fn over_hq(settings: Arc<Settings>, connection: Connection) -> Outcome<()> {
    loop {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let settings = settings.clone();
        tokio::spawn(async move {
            let line = receive.read_to_end(peer::LONGEST_REQUEST).await.unwrap_or_default();
            match settings.answer(&line) {
                Some(body) => {
                    let _ = send.write_all(&body).await;
                    let _ = send.finish();
                    let _ = send.stopped().await;
                }
                None => {
                    let _ = send.reset(VarInt::from_u32(1));
                }
            }
        });
    }
}

async fn over_h3(settings: &Arc<Settings>, connection: Connection) -> Outcome<()> {
    let mut web = h3::server::builder().build(h3_quinn::Connection::new(connection)).await?;
    while let Some(resolver) = web.accept().await? {
        let settings = settings.clone();
        tokio::spawn(async move {
            let (request, mut stream) = resolver.resolve_request().await?;
            // Dropped unread, what may follow the fields would be refused with STOP_SENDING.
            while stream.recv_data().await?.is_some() {}
            let body = settings.file(request.uri().path());
            let status = if body.is_some() { 200 } else { 404 };
            stream.send_response(http::Response::builder().status(status).body(())?).await?;
            if let Some(body) = body {
                stream.send_data(Bytes::from(body)).await?;
            }
            stream.finish().await?;
            Outcome::Ok(())
        });
    }
    Ok(())
}
