//! Mail, against servers that are told what to say.

use domain::egress::{MailError, MailMessage, MailSecurity, SentMail};
use domain::secret::Secret;

use super::mail_server::{Say, Server, polite};
use super::*;

/// A way out that trusts the server's authority. The server has a certificate for `mail.test`.
fn way_out(server: &Server) -> Egress {
    let table = Table::default().with("mail.test", &[&["127.0.0.2"]]).with("other.test", &[&["127.0.0.2"]]);
    let allow = AllowList::parse("127.0.0.2").unwrap();
    Egress::new(allow, Arc::new(table), Some(server.authority.path())).unwrap()
}

fn message(server: &str) -> MailMessage {
    MailMessage {
        server: server.to_owned(),
        security: MailSecurity::Tls,
        username: Some("hub".to_owned()),
        password: Some("secret://password".to_owned()),
        sender: "Watchbell <hub@example.com>".to_owned(),
        reply_to: None,
        to: vec!["ops@example.com".to_owned()],
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: "DiskFull on db1".to_owned(),
        text: "It is full.\n".to_owned(),
        html: None,
        message_id: "<01JD@example.com>".to_owned(),
        references: Vec::new(),
        headers: Vec::new(),
        timeout_ms: None,
    }
}

fn granted(server: &str) -> Grants {
    let grants = grants(&[server]);
    let value = Secret::new("hunter2".to_owned());
    let secret = BoundSecret { name: "password".to_owned(), value, origins: grants.origins.clone() };
    Grants { secrets: vec![secret], ..grants }
}

async fn mail(server: &Server, message: MailMessage) -> Result<SentMail, MailError> {
    let grants = granted(&message.server);
    let budget = Budget::new(limits());
    way_out(server).mail(&grants, &budget, message, Duration::from_secs(20)).await
}

/// One message by STARTTLS.
async fn by_starttls(server: &Server) -> Result<SentMail, MailError> {
    mail(server, message(&server.address_as("smtp", "mail.test"))).await
}

#[tokio::test]
async fn starttls_comes_first_and_everything_else_is_said_under_tls() {
    let server = Server::start(polite).await;
    let sent = by_starttls(&server).await.unwrap();
    assert_eq!((sent.reply.to_string().as_str(), sent.refused.len()), ("250 2.0.0 Ok", 0));
    let said = server.said();
    let clear: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("clear ")).collect();
    assert_eq!(clear, ["EHLO [127.0.0.1]", "STARTTLS"]);
    let login = "tls AUTH PLAIN AGh1YgBodW50ZXIy".to_owned();
    assert!(
        said.contains(&login) && said.ends_with(&["tls .".to_owned(), "tls QUIT".to_owned()]),
        "{said:?}"
    );
}

#[tokio::test]
async fn implicit_tls_has_no_word_in_clear() {
    let server = Server::start(polite).await.under_tls();
    mail(&server, message(&server.address_as("smtps", "mail.test"))).await.unwrap();
    assert!(server.said().iter().all(|line| line.starts_with("tls ")), "{:?}", server.said());
}

#[tokio::test]
async fn what_is_injected_behind_starttls_is_never_taken_for_an_answer() {
    let injected = "220 go ahead\r\n250-mail.test\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 Ok\r\n250 Ok\r\n";
    let server = Server::start(move |line: &str| match line {
        "clear STARTTLS" => Say::text(injected),
        other => polite(other),
    })
    .await;
    let Err(MailError::Tls(why)) = by_starttls(&server).await else { panic!("{:?}", server.said()) };
    assert!(why.contains("handshake came to nothing"), "{why}");
    assert!(!server.said().iter().any(|line| line.starts_with("tls ")), "{:?}", server.said());
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_its_place() {
    let server = Server::start(|line: &str| match line {
        line if line.starts_with("clear EHLO") => Say::text("250-mail.test\r\n250 AUTH PLAIN\r\n"),
        other => polite(other),
    })
    .await;
    let Err(MailError::Tls(why)) = by_starttls(&server).await else { panic!("{:?}", server.said()) };
    assert!(why.contains("does not offer STARTTLS\nhint: "), "{why}");
    assert_eq!(server.said(), ["clear EHLO [127.0.0.1]"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_nobody_known_ends_it() {
    for scheme in ["smtp", "smtps"] {
        let start = async || match scheme {
            "smtps" => Server::start(polite).await.under_tls(),
            _ => Server::start(polite).await,
        };
        let server = start().await;
        let elsewhere = mail(&server, message(&server.address_as(scheme, "other.test"))).await;
        assert!(
            matches!(&elsewhere, Err(MailError::Tls(why)) if why.contains("certificate")),
            "{elsewhere:?}"
        );
        let stranger = start().await;
        let to = message(&server.address_as(scheme, "mail.test"));
        let grants = granted(&to.server);
        let budget = Budget::new(limits());
        let unknown = way_out(&stranger).mail(&grants, &budget, to, Duration::from_secs(20)).await;
        assert!(matches!(&unknown, Err(MailError::Tls(why)) if why.contains("certificate")), "{unknown:?}");
        let said = server.said();
        assert!(!said.iter().any(|line| line.starts_with("tls ")), "{said:?}");
    }
}

#[tokio::test]
async fn clear_text_is_spoken_where_it_is_asked_for_only() {
    let server = Server::start(polite).await;
    let relay = MailMessage {
        security: MailSecurity::None,
        username: None,
        password: None,
        ..message(&server.address_as("smtp", "mail.test"))
    };
    mail(&server, relay.clone()).await.unwrap();
    let said = server.said();
    assert!(
        said.iter().all(|line| line.starts_with("clear ")) && said.contains(&"clear .".to_owned()),
        "{said:?}"
    );
    let twice = MailMessage { server: server.address_as("smtps", "mail.test"), ..relay };
    assert!(matches!(mail(&server, twice).await, Err(MailError::InvalidMessage(_))));
}

#[tokio::test]
async fn login_asks_twice_where_plain_is_not_offered() {
    let server = Server::start(|line: &str| match line {
        line if line.starts_with("tls EHLO") => Say::text("250-mail.test\r\n250 AUTH CRAM-MD5 LOGIN\r\n"),
        "tls AUTH LOGIN" => Say::text("334 VXNlcm5hbWU6\r\n"),
        "tls aHVi" => Say::text("334 UGFzc3dvcmQ6\r\n"),
        "tls aHVudGVyMg==" => Say::text("235 2.7.0 welcome\r\n"),
        other => polite(other),
    })
    .await;
    by_starttls(&server).await.unwrap();
    let server = Server::start(|line: &str| match line {
        line if line.starts_with("tls EHLO") => Say::text("250-mail.test\r\n250 AUTH GSSAPI\r\n"),
        other => polite(other),
    })
    .await;
    let refused = by_starttls(&server).await;
    assert!(
        matches!(&refused, Err(MailError::Auth(why)) if why.contains("neither PLAIN nor LOGIN")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn every_answer_is_told_by_its_code_wherever_it_comes() {
    for (at, answer, kind, temporary) in [
        ("clear ", "554 no service", "refused", false),
        ("clear ", "421 too busy", "refused", true),
        ("clear STARTTLS", "454 no TLS now", "refused", true),
        ("tls AUTH", "535 5.7.8 no", "auth", false),
        ("tls AUTH", "534 too weak", "auth", false),
        ("tls AUTH", "504 what", "auth", false),
        ("tls AUTH", "454 try later", "refused", true),
        ("tls MAIL", "530 log in", "auth", false),
        ("tls MAIL", "451 greylisted", "refused", true),
        ("tls MAIL", "553 not you", "refused", false),
        ("tls RCPT", "451 greylisted", "refused", true),
        ("tls RCPT", "550 unknown", "refused", false),
        ("tls RCPT", "421 closing", "refused", true),
        ("tls DATA", "452 full", "refused", true),
        ("tls RCPT", "354 what", "unreachable", false),
        ("tls DATA", "250 what", "unreachable", false),
        ("tls .", "451 later", "refused", true),
        ("tls .", "552 too big", "refused", false),
        ("tls .", "354 more", "unreachable", false),
        ("tls .", "nonsense", "unreachable", false),
    ] {
        let server =
            Server::start(move |line: &str| match line.starts_with(at) && (at != "clear " || line == at) {
                true => Say::text(&format!("{answer}\r\n")),
                false => polite(line),
            })
            .await;
        let error = by_starttls(&server).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{at} {answer}: {error:?}");
        if let MailError::Refused { reply, .. } = &error {
            assert_eq!((reply.to_string().as_str(), reply.is_temporary()), (answer, temporary), "{at}");
        }
    }
}

#[tokio::test]
async fn some_recipients_are_enough_and_the_others_are_named() {
    let server = Server::start(|line: &str| match line {
        "tls RCPT TO:<gone@example.com>" => Say::text("550 5.1.1 unknown\r\n"),
        "tls RCPT TO:<later@example.com>" => Say::text("451 4.7.1 greylisted\r\n"),
        other => polite(other),
    })
    .await;
    let several = MailMessage {
        to: ["gone@example.com", "ops@example.com"].map(ToOwned::to_owned).into(),
        cc: vec!["later@example.com".to_owned(), "OPS <ops@example.com>".to_owned()],
        bcc: vec!["hidden@example.com".to_owned()],
        ..message(&server.address_as("smtp", "mail.test"))
    };
    let sent = mail(&server, several.clone()).await.unwrap();
    let refused: Vec<(String, u16)> =
        sent.refused.into_iter().map(|one| (one.address, one.reply.code)).collect();
    assert_eq!(refused, [("gone@example.com".to_owned(), 550), ("later@example.com".to_owned(), 451)]);
    let said = server.said();
    assert_eq!(said.iter().filter(|line| line.starts_with("tls RCPT")).count(), 4, "{said:?}");
    assert!(said.contains(&"tls RCPT TO:<hidden@example.com>".to_owned()));
    let text = server.messages().remove(0);
    assert!(!text.contains("hidden") && !text.to_lowercase().contains("bcc"), "{text}");

    let nobody = MailMessage { to: vec!["gone@example.com".to_owned()], bcc: Vec::new(), ..several };
    let nobody = MailMessage { cc: vec!["later@example.com".to_owned()], ..nobody };
    let Err(MailError::Refused { reply, recipients }) = mail(&server, nobody).await else { panic!("taken") };
    assert_eq!((reply.code, recipients.len()), (451, 2));
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn silence_and_broken_connections_say_whether_the_message_may_have_arrived() {
    for (at, maybe) in [("clear ", false), ("tls MAIL", false), ("tls DATA", false), ("tls .", true)] {
        for say in [Say::Hang, Say::Close] {
            let reply = say.clone();
            let server = Server::start(move |line: &str| {
                match line.starts_with(at) && (at != "clear " || line == at) {
                    true => reply.clone(),
                    false => polite(line),
                }
            })
            .await;
            let timeout_ms = matches!(say, Say::Hang).then_some(1_500);
            let to = MailMessage { timeout_ms, ..message(&server.address_as("smtp", "mail.test")) };
            let error = mail(&server, to).await.unwrap_err();
            let kind = if matches!(say, Say::Hang) { "timeout" } else { "unreachable" };
            assert_eq!(error.kind(), kind, "{at}: {error:?}");
            assert_eq!(error.to_string().contains("may have taken"), maybe, "{at}: {error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_good_bye_has_the_message_all_the_same() {
    let server = Server::start(|line: &str| match line {
        "tls QUIT" => Say::Hang,
        other => polite(other),
    })
    .await;
    assert_eq!(by_starttls(&server).await.unwrap().reply.code, 250);
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    for at in ["clear ", "tls MAIL"] {
        let server =
            Server::start(move |line: &str| match line.starts_with(at) && (at != "clear " || line == at) {
                true => Say::Endless,
                false => polite(line),
            })
            .await;
        let error = by_starttls(&server).await.unwrap_err();
        assert!(error.to_string().contains("answered with more than 262144 bytes"), "{error}");
    }
}

#[tokio::test]
async fn what_a_server_says_is_one_short_line_without_password_and_addresses() {
    let server = Server::start(|line: &str| match line {
        "tls MAIL FROM:<hub@example.com>" => Say::Bytes(
            [
                b"550-hunter2 aHVudGVyMg== AGh1YgBodW50ZXIy <hub@example.com> \xe9\x07\r\n550 ".as_slice(),
                &[b'x'; 900],
                b"\r\n",
            ]
            .concat(),
        ),
        other => polite(other),
    })
    .await;
    let Err(MailError::Refused { reply, .. }) = by_starttls(&server).await else { panic!("taken") };
    assert!(reply.text.starts_with("[redacted] [redacted] [redacted] <[redacted]> ?  xxx"), "{reply}");
    assert_eq!(reply.text.len(), 512);
}

#[tokio::test]
async fn grants_bindings_and_budgets_hold_before_anything_is_dialled() {
    let server = Server::start(polite).await;
    let to = message(&server.address_as("smtp", "mail.test"));
    let egress = way_out(&server);
    let send = async |grants: &Grants, budget: &Budget, message: MailMessage| {
        egress.mail(grants, budget, message, Duration::from_secs(20)).await.unwrap_err()
    };
    let fresh = || Budget::new(limits());
    let elsewhere = granted("smtp://elsewhere.test");
    let error = send(&elsewhere, &fresh(), to.clone()).await;
    assert!(matches!(&error, MailError::Denied(why) if why.contains("secret `password`")), "{error:?}");
    let anonymous = MailMessage { username: None, password: None, ..to.clone() };
    let error = send(&elsewhere, &fresh(), anonymous.clone()).await;
    assert!(matches!(&error, MailError::Denied(why) if why.contains("allow_hosts")), "{error:?}");

    let grants = granted(&to.server);
    for wrong in [
        MailMessage { server: "https://mail.test".to_owned(), ..to.clone() },
        MailMessage { server: format!("{}/x", to.server), ..to.clone() },
        MailMessage { password: None, ..to.clone() },
        MailMessage { password: Some("secret://nothing".to_owned()), ..to.clone() },
        MailMessage { username: Some("a\0b".to_owned()), ..to.clone() },
    ] {
        let error = send(&grants, &fresh(), wrong).await;
        assert!(matches!(error, MailError::InvalidMessage(_)), "{error:?}");
    }
    let budget = Budget::new(EgressLimits { calls: 1, ..limits() });
    let wrong = MailMessage { subject: "a\r\nBcc: x@example.com".to_owned(), ..to.clone() };
    assert!(matches!(send(&grants, &budget, wrong).await, MailError::InvalidMessage(_)));
    assert!(matches!(send(&grants, &budget, to.clone()).await, MailError::BudgetExceeded(_)));
    let small = Budget::new(EgressLimits { sent_bytes: 100, ..limits() });
    assert!(matches!(send(&grants, &small, to).await, MailError::BudgetExceeded(_)));

    let forbidden = format!("smtp://127.0.0.1:{}", server.port());
    let error = send(&granted(&forbidden), &fresh(), MailMessage { server: forbidden, ..anonymous }).await;
    assert!(matches!(&error, MailError::Denied(why) if why.contains("SSRF_ALLOWED_HOSTS")), "{error:?}");
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_message_counts_as_a_call_and_its_bytes_as_sent() {
    let server = Server::start(polite).await;
    let to = message(&server.address_as("smtp", "mail.test"));
    let (grants, budget) = (granted(&to.server), Budget::new(limits()));
    way_out(&server).mail(&grants, &budget, to, Duration::from_secs(20)).await.unwrap();
    assert_eq!((budget.used().calls, budget.used().sent_bytes), (1, server.messages()[0].len()));
}
