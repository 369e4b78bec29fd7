//! Golden tests of notifiers that send mail: a notification, settings and the server's answer in; the
//! message and what the notifier makes of the answer out.

use serde_json::{Value, json};

use super::notifier::{notification, outcome};
use super::{json_text, pairs, run, text};
use crate::mail::{
    MailError, MailNotifier, Mailer, Message, Refusal, RefusedRecipient, Reply, Security, Sent,
};

/// Compares what the notifier does for every input.
///
/// An input is `{"notification": {…}, "config": {…}, "answer": {…}}`. An answer is
/// `{"code", "text", "refused": [{"address", "code", "text"}]}`, or `{"error"}` with the name of a
/// `mail-error` and its `reason`, or its `code`, `text` and `recipients`.
pub fn mail_notifier<N: MailNotifier>(folder: &str) {
    run(folder, |_, input| {
        let input: Value = serde_json::from_slice(input).expect("an input is JSON");
        let config = json_text(&input, "config");
        let mut server = Recording { answer: answer(&input["answer"]), mails: Vec::new() };
        let result = N::send(&notification(&input["notification"]), &config, &mut server);
        outcome(&N::validate_config(&config), server.mails, result)
    });
}

/// A server that always answers the same and keeps what it was given.
struct Recording {
    answer: Result<Sent, MailError>,
    mails: Vec<Value>,
}

impl Mailer for Recording {
    fn send(&mut self, message: &Message) -> Result<Sent, MailError> {
        self.mails.push(json!({ "mail": mail(message) }));
        self.answer.clone()
    }
}

/// The message; what it leaves out is left out.
fn mail(message: &Message) -> Value {
    let security = match message.security {
        Security::Tls => "tls",
        Security::None => "none",
    };
    let mut mail = json!({
        "server": message.server,
        "security": security,
        "username": message.username,
        "password": message.password,
        "sender": message.sender,
        "reply_to": message.reply_to,
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "message_id": message.message_id,
        "references": message.references,
        "timeout_ms": message.timeout_ms,
    });
    if let Value::Object(fields) = &mut mail {
        fields.retain(|_, field| !(field.is_null() || field.as_array().is_some_and(Vec::is_empty)));
        fields.insert("headers".to_owned(), pairs(&message.headers));
    }
    mail
}

fn answer(input: &Value) -> Result<Sent, MailError> {
    let reason = text(input, "reason");
    Err(match text(input, "error").as_str() {
        "" => return Ok(Sent { reply: reply(input), refused: recipients(&input["refused"]) }),
        "denied" => MailError::Denied(reason),
        "invalid-message" => MailError::InvalidMessage(reason),
        "unreachable" => MailError::Unreachable(reason),
        "timeout" => MailError::Timeout(reason),
        "tls" => MailError::Tls(reason),
        "auth" => MailError::Auth(reason),
        "refused" => {
            let (reply, recipients) = (reply(input), recipients(&input["recipients"]));
            let temporary = is_temporary(&reply) || recipients.iter().any(|one| one.temporary);
            MailError::Refused(Refusal { reply, temporary, recipients })
        }
        "budget-exceeded" => MailError::BudgetExceeded(reason),
        other => panic!("`{other}` is no `mail-error`"),
    })
}

fn reply(input: &Value) -> Reply {
    let code = input["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    Reply { code: code.expect("an answer has a code or an error"), text: text(input, "text") }
}

fn recipients(input: &Value) -> Vec<RefusedRecipient> {
    let one = |input: &Value| {
        let reply = reply(input);
        RefusedRecipient { address: text(input, "address"), temporary: is_temporary(&reply), reply }
    };
    input.as_array().into_iter().flatten().map(one).collect()
}

fn is_temporary(reply: &Reply) -> bool {
    (400..500).contains(&reply.code)
}
