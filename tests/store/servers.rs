//! The servers and the disturbed way to them that these tests use: they do what they are for.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use tests::{DatabaseServer, Engine, PATIENCE, Proxy, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn a_killed_server_has_what_was_committed(engine: Engine) {
    let Some(mut server) = DatabaseServer::start_private(engine) else { return };
    server.query("CREATE TABLE kept (name VARCHAR(20) NOT NULL)");
    server.query("INSERT INTO kept (name) VALUES ('one'), ('two')");
    server.kill();
    server.restart();
    let rows = server.query("SELECT name, 1 FROM kept ORDER BY name");
    assert_eq!(rows, [["one", "1"], ["two", "1"]]);
}

#[test]
fn a_killed_postgres_has_what_was_committed() {
    a_killed_server_has_what_was_committed(Engine::Postgres);
}

#[test]
fn a_killed_mariadb_has_what_was_committed() {
    a_killed_server_has_what_was_committed(Engine::Mariadb);
}

/// Answers whatever it hears in capitals, and notes it.
async fn shouting() -> ((String, u16), tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut piece = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut piece).await {
                    heard.send(piece[..length].to_vec()).unwrap();
                    stream.write_all(&piece[..length].to_ascii_uppercase()).await.unwrap();
                }
            });
        }
    });
    (("127.0.0.1".to_owned(), port), hears)
}

async fn connect(proxy: &Proxy) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await
}

async fn say(stream: &mut TcpStream, what: &str) -> std::io::Result<String> {
    stream.write_all(what.as_bytes()).await?;
    let mut answer = vec![0; what.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn a_proxy_cuts_and_refuses_and_lets_pass_again() {
    let (server, _hears) = shouting().await;
    let proxy = Proxy::start(server).await;
    let mut stream = connect(&proxy).await.unwrap();
    assert_eq!(say(&mut stream, "begin").await.unwrap(), "BEGIN");
    proxy.cut();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut stream = connect(&proxy).await.unwrap();
    assert_eq!(say(&mut stream, "again").await.unwrap(), "AGAIN");

    proxy.refuse();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait_for("it refuses", PATIENCE, async || {
        let error = connect(&proxy).await.err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
    proxy.pass();
    let mut stream = wait_for("it listens", PATIENCE, async || connect(&proxy).await.ok()).await;
    assert_eq!(say(&mut stream, "back").await.unwrap(), "BACK");
}

#[tokio::test]
async fn a_commit_is_lost_before_the_server_or_after_it() {
    let (server, mut hears) = shouting().await;
    let proxy = Proxy::start(server).await;
    proxy.lose_commits();
    let mut stream = connect(&proxy).await.unwrap();
    assert_eq!(say(&mut stream, "insert").await.unwrap(), "INSERT");
    assert_eq!(hears.recv().await.unwrap(), b"insert");
    assert_eq!(say(&mut stream, "commit").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    proxy.lose_answers();
    let mut stream = connect(&proxy).await.unwrap();
    assert_eq!(say(&mut stream, "commit").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(hears.recv().await.unwrap(), b"commit");
    assert!(hears.try_recv().is_err(), "the server heard of the first commit too");
}

#[tokio::test]
async fn what_was_swallowed_arrives_once_it_passes() {
    let (server, mut hears) = shouting().await;
    let proxy = Proxy::start(server).await;
    let mut stream = connect(&proxy).await.unwrap();
    assert_eq!(say(&mut stream, "first").await.unwrap(), "FIRST");
    assert_eq!(hears.recv().await.unwrap(), b"first");
    proxy.swallow();
    stream.write_all(b"second").await.unwrap();
    assert!(hears.try_recv().is_err());
    proxy.pass();
    assert_eq!(hears.recv().await.unwrap(), b"second");
}
