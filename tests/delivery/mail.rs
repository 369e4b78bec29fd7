//! Mail to a server that is not ours, read by a parser that is not ours.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tests::{Home, MailRules, MailServer};

const PASSWORD: &str = "correct horse 'battery'";

/// A home that may reach this machine, believes an authority of its own, and has a pair for these names.
async fn home(names: &[&str]) -> Home {
    let home = Home::new().await.with_local_remotes();
    let home =
        home.with("SSRF_ALLOWED_HOSTS", "127.0.0.1,localhost").with("WATCHBELL_EGRESS_CA_FILE", "ca.pem");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    for (name, text) in
        [("ca.pem", authority.pem()), ("cert.pem", own.pem()), ("key.pem", key.serialize_pem())]
    {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn settings(server: &MailServer, changes: &Value) -> Value {
    let mut settings = json!({
        "server": server.address("smtp", "localhost"),
        "from_address": "Wächter <hub@example.com>",
        "to_addresses": ["Operations <ops@example.com>"],
    });
    settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    settings
}

/// Sends one notification for real; returns the result, and what went to standard error.
async fn send(home: &Home, settings: &Value, notification: &Value) -> (Value, String) {
    let config = settings.to_string();
    let arguments = ["plugin", "call", "email", "send", "--config", &config];
    let output = home.cli_on(&arguments, notification.to_string().as_bytes()).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    let result = serde_json::from_slice(&output.stdout);
    (result.unwrap_or_else(|_| panic!("{errors}")), errors)
}

fn header<'a>(mail: &'a Value, name: &str) -> Option<&'a str> {
    let headers = mail["message"]["headers"].as_array().unwrap();
    let mut values = headers.iter().filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    let value = values.next().map(|header| header[1].as_str().unwrap());
    assert!(values.next().is_none(), "`{name}` is repeated: {mail}");
    value
}

#[tokio::test]
async fn both_forms_arrive_as_they_were_written_and_nobody_sees_the_blind_copy() {
    let home = home(&["localhost"]).await;
    let rules = MailRules { login: Some(("hub", PASSWORD)), ..MailRules::default() };
    let Some(server) = MailServer::start(&home, &rules).await else { return };
    let settings = settings(
        &server,
        &json!({
            "username": "hub", "password": PASSWORD, "cc_addresses": "lead@example.com",
            "bcc_addresses": ["archive@example.net"], "reply_to": "noc@example.com", "subject_prefix": "[größer]",
        }),
    );
    let text = ".\n..\nFrom here: Datenträger voll, 磁盘已满 🔴\nhttps://example.com/?a=1&b=2";
    let html = format!("<!doctype html><p title=\"é\">voll{}</p>", " sehr lang".repeat(300));
    let notification = json!({
        "id": "01JD", "title": "[FIRING] Datenträger", "message": text, "html": html, "severity": "critical",
        "status": "firing", "incident": { "id": "01JI", "title": "Datenträger voll: 磁盘已满 auf db1" },
    });
    let (result, errors) = send(&home, &settings, &notification).await;
    assert_eq!(result["remote_ref"], "<01JD@example.com>", "{result} {errors}");

    let received = server.wait(1).await;
    let [mail] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((&mail["tls"], &mail["login"]), (&json!(true), &json!("hub")), "{mail}");
    assert_eq!(mail["from"], "hub@example.com");
    assert_eq!(mail["to"], json!(["ops@example.com", "lead@example.com", "archive@example.net"]));
    let message = &mail["message"];
    assert_eq!(message["defects"], json!([]), "{message}");
    assert_eq!(message["type"], "multipart/alternative");
    let parts = message["parts"].as_array().unwrap();
    let kinds: Vec<_> = parts.iter().map(|part| (part["type"].as_str(), part["charset"].as_str())).collect();
    assert_eq!(kinds, [(Some("text/plain"), Some("utf-8")), (Some("text/html"), Some("utf-8"))]);
    let read = |part: &Value| part["text"].as_str().unwrap().replace("\r\n", "\n").trim_end().to_owned();
    assert_eq!((read(&parts[0]).as_str(), read(&parts[1])), (text, html));

    let said = |name| header(mail, name);
    assert_eq!(said("Subject"), Some("[größer] Datenträger voll: 磁盘已满 auf db1"));
    assert_eq!(said("From"), Some("Wächter <hub@example.com>"));
    assert_eq!((said("To"), said("Cc")), (Some("Operations <ops@example.com>"), Some("lead@example.com")));
    assert_eq!((said("Bcc"), said("Reply-To")), (None, Some("noc@example.com")));
    assert_eq!(said("Message-ID"), Some("<01JD@example.com>"));
    assert_eq!(said("In-Reply-To"), Some("<incident.01JI@example.com>"));
    assert_eq!(said("References"), Some("<incident.01JI@example.com>"));
    assert_eq!((said("Auto-Submitted"), said("X-Priority")), (Some("auto-generated"), Some("1")));
    assert!(said("Date").is_some() && !message.to_string().contains("archive@example.net"), "{message}");
}

#[tokio::test]
async fn every_kind_of_refusal_says_whether_another_attempt_makes_sense() {
    let home = home(&["localhost"]).await;
    let notification = json!({ "id": "01JD", "title": "DiskFull", "message": "It is full." });
    let login = json!({ "username": "hub", "password": PASSWORD });
    let wants_login = MailRules { login: Some(("hub", "another")), ..MailRules::default() };
    let at_end = |answer| MailRules { messages: vec![answer], ..MailRules::default() };
    let refuses =
        |answer| MailRules { recipients: vec![("ops@example.com", answer)], ..MailRules::default() };
    let in_clear = MailRules { tls: "none", ..MailRules::default() };
    for (rules, changes, error, words) in [
        (wants_login.clone(), login, "auth", "535"),
        (wants_login, json!({}), "auth", "530"),
        (at_end("451 4.3.0 later"), json!({}), "unavailable", "451 4.3.0 later"),
        (at_end("554 5.7.1 spam"), json!({}), "rejected", "554 5.7.1 spam"),
        (at_end("hang"), json!({}), "unavailable", "which it may have taken"),
        (refuses("450 4.2.0 greylisted"), json!({}), "unavailable", "450 4.2.0 greylisted"),
        (refuses("550 5.1.1 unknown"), json!({}), "rejected", "550 5.1.1 unknown"),
        (in_clear, json!({}), "unavailable", "does not offer STARTTLS"),
    ] {
        let Some(server) = MailServer::start(&home, &rules).await else { return };
        let (result, errors) = send(&home, &settings(&server, &changes), &notification).await;
        assert_eq!(result["error"], error, "{rules:?}: {result} {errors}");
        assert!(result["message"].as_str().unwrap().contains(words), "{rules:?}: {result}");
        assert!(!errors.contains(PASSWORD) && !result.to_string().contains(PASSWORD), "{errors}");
        let reached_the_end = rules.messages.len();
        assert_eq!(server.wait(reached_the_end).await.len(), reached_the_end, "{rules:?}");
    }
}

#[tokio::test]
async fn implicit_tls_and_a_relay_in_clear_text_both_work_where_asked_for() {
    let home = home(&["localhost", "127.0.0.1"]).await;
    let notification = json!({ "id": "01JD", "title": "DiskFull", "message": "It is full." });
    let rules = MailRules { tls: "implicit", login: Some(("hub", PASSWORD)), ..MailRules::default() };
    let Some(server) = MailServer::start(&home, &rules).await else { return };
    let login = json!({ "username": "hub", "password": PASSWORD });
    for host in ["localhost", "127.0.0.1"] {
        let mut settings = settings(&server, &login);
        settings["server"] = json!(server.address("smtps", host));
        let (result, errors) = send(&home, &settings, &notification).await;
        assert_eq!(result["detail"]["code"], 250, "{result} {errors}");
    }
    assert!(server.wait(2).await.iter().all(|mail| mail["tls"] == true));

    let relay = MailRules { tls: "none", ..MailRules::default() };
    let Some(relay) = MailServer::start(&home, &relay).await else { return };
    let (result, errors) =
        send(&home, &settings(&relay, &json!({ "security": "none" })), &notification).await;
    assert_eq!(result["detail"]["code"], 250, "{result} {errors}");
    let received = relay.wait(1).await;
    assert_eq!((&received[0]["tls"], &received[0]["message"]["type"]), (&json!(false), &json!("text/plain")));
}

#[tokio::test]
async fn a_certificate_for_another_name_ends_it_before_a_word_of_the_message() {
    let home = home(&["mail.example.com"]).await;
    let notification = json!({ "id": "01JD", "title": "DiskFull" });
    for (tls, scheme) in [("starttls", "smtp"), ("implicit", "smtps")] {
        let rules = MailRules { tls, ..MailRules::default() };
        let Some(server) = MailServer::start(&home, &rules).await else { return };
        let to = settings(&server, &json!({ "server": server.address(scheme, "localhost") }));
        let (result, errors) = send(&home, &to, &notification).await;
        assert_eq!(result["error"], "unavailable", "{result} {errors}");
        assert!(result["message"].as_str().unwrap().contains("certificate"), "{result}");
        assert!(server.received().is_empty());
    }
}

#[tokio::test]
async fn who_was_refused_beside_others_is_named_in_the_receipt_and_not_in_the_log() {
    let home = home(&["localhost"]).await;
    let recipients =
        vec![("gone@example.com", "550 5.1.1 unknown"), ("later@example.com", "451 4.7.1 later")];
    let rules = MailRules { recipients, ..MailRules::default() };
    let Some(server) = MailServer::start(&home, &rules).await else { return };
    let to = json!({ "to_addresses": "gone@example.com,ops@example.com,later@example.com" });
    let notification = json!({ "id": "01JD", "title": "DiskFull" });
    let (result, errors) = send(&home, &settings(&server, &to), &notification).await;
    assert_eq!(
        result["detail"]["refused"],
        json!([
            { "address": "gone@example.com", "code": 550, "text": "5.1.1 unknown", "temporary": false },
            { "address": "later@example.com", "code": 451, "text": "4.7.1 later", "temporary": true },
        ])
    );
    assert!(errors.contains("refused 2 of the recipients (550, 451)"), "{errors}");
    assert!(!errors.contains("@example.com"), "{errors}");
    assert_eq!(server.wait(1).await[0]["to"], json!(["ops@example.com"]));
}

#[tokio::test]
async fn an_incident_is_one_thread_and_another_attempt_the_same_message() {
    let home = home(&["localhost"]).await;
    let rules = MailRules {
        login: Some(("hub", PASSWORD)),
        messages: vec!["451 4.3.0 disk full"],
        ..MailRules::default()
    };
    let Some(server) = MailServer::start(&home, &rules).await else { return };
    let config = settings(&server, &json!({ "username": "hub", "password": PASSWORD })).to_string();
    home.cli_text(&["channel", "add", "mail", "--notifier", "email", "--config", &config]).await;
    let hub = home.start().await;
    let alert = json!({ "name": "DiskFull", "host": "db1", "severity": "critical" });
    let webhook = hub.accept("/alerts/webhook/", &alert).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!((&run["status"], &run["deliveries"][0]["attempts"]), (&json!("NOTIFIED"), &json!(2)), "{run}");
    let mut resolved = alert;
    resolved["status"] = json!("resolved");
    let webhook = hub.accept("/alerts/webhook/", &resolved).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");

    let received = server.wait(3).await;
    let [refused, firing, over] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(refused["answer"], "451 4.3.0 disk full");
    let of = |name| [refused, firing, over].map(|mail| header(mail, name).unwrap());
    let [first, again, last] = of("Message-ID");
    assert!(first == again && again != last, "{received:?}");
    let [root, ..] = of("References");
    assert_eq!((of("References"), of("In-Reply-To")), ([root; 3], [root; 3]));
    let [subject, ..] = of("Subject");
    assert_eq!(of("Subject"), [subject, subject, &format!("Re: {subject}")]);
    assert_eq!(of("X-Watchbell-Status"), ["firing", "firing", "resolved"]);
    assert!(received.iter().all(|mail| mail["tls"] == true && mail["message"]["defects"] == json!([])));
    assert!(
        !hub.log().lines().iter().any(|line| line.contains(PASSWORD) || line.contains("ops@example.com"))
    );
}
