//! `host-mail`: messages to a mail server.
//!
//! Takes them over in the domain's words. Whether they may go anywhere is for the host to say.

use std::sync::Arc;

use domain::egress::{MailError, MailMessage, MailReply, MailSecurity, RefusedRecipient, SentMail};

use crate::bindings::notifier::watchbell::plugin::host_mail;
use crate::state::State;

/// Bounds of `wit/host.wit`.
const MAX_RECIPIENTS: usize = 50;
const MAX_REFERENCES: usize = 16;
const MAX_HEADERS: usize = 16;

impl host_mail::Host for State {
    async fn send(
        &mut self,
        message: host_mail::Message,
    ) -> wasmtime::Result<Result<host_mail::Sent, host_mail::MailError>> {
        let services = Arc::clone(self.services("host-mail")?);
        if let Some(refusal) = refuse(&message, self.max_sent_bytes) {
            return Ok(Err(refusal));
        }
        let time_left = self.wall_left();
        // The next tick ends the call; nothing may begin before.
        if time_left.is_zero() {
            return Ok(Err(host_mail::MailError::Timeout("no time is left".to_owned())));
        }
        let meter = Arc::clone(&self.meter);
        let answer = meter.pause(services.mail(from_guest(message), time_left)).await;
        Ok(answer.map(to_guest).map_err(error_to_guest))
    }
}

fn refuse(message: &host_mail::Message, max_sent_bytes: usize) -> Option<host_mail::MailError> {
    let recipients = [&message.to, &message.cc, &message.bcc].map(Vec::len).into_iter().sum();
    let counts = [
        (recipients, MAX_RECIPIENTS, "recipients"),
        (message.references.len(), MAX_REFERENCES, "references"),
        (message.headers.len(), MAX_HEADERS, "headers"),
    ];
    if let Some((count, most, what)) = counts.into_iter().find(|(count, most, _)| count > most) {
        let text = format!("{count} {what}, at most {most} are allowed");
        return Some(host_mail::MailError::InvalidMessage(text));
    }
    let size = message.text.len().saturating_add(message.html.as_ref().map_or(0, String::len));
    (size > max_sent_bytes).then(|| {
        let text = format!("the texts have {size} bytes, at most {max_sent_bytes} are allowed");
        host_mail::MailError::BudgetExceeded(text)
    })
}

fn from_guest(message: host_mail::Message) -> MailMessage {
    MailMessage {
        server: message.server,
        security: match message.security {
            host_mail::Security::Tls => MailSecurity::Tls,
            host_mail::Security::None => MailSecurity::None,
        },
        username: message.username,
        password: message.password,
        sender: message.sender,
        reply_to: message.reply_to,
        to: message.to,
        cc: message.cc,
        bcc: message.bcc,
        subject: message.subject,
        text: message.text,
        html: message.html,
        message_id: message.message_id,
        references: message.references,
        headers: message.headers.into_iter().map(|header| (header.key, header.value)).collect(),
        timeout_ms: message.timeout_ms,
    }
}

fn to_guest(sent: SentMail) -> host_mail::Sent {
    host_mail::Sent { reply: reply(sent.reply), refused: recipients(sent.refused) }
}

fn reply(reply: MailReply) -> host_mail::Reply {
    host_mail::Reply { code: reply.code, text: reply.text }
}

fn recipients(refused: Vec<RefusedRecipient>) -> Vec<host_mail::RefusedRecipient> {
    let one = |refused: RefusedRecipient| host_mail::RefusedRecipient {
        temporary: refused.reply.is_temporary(),
        address: refused.address,
        reply: reply(refused.reply),
    };
    refused.into_iter().map(one).collect()
}

fn error_to_guest(error: MailError) -> host_mail::MailError {
    match error {
        MailError::Denied(why) => host_mail::MailError::Denied(why),
        MailError::InvalidMessage(why) => host_mail::MailError::InvalidMessage(why),
        MailError::Unreachable(why) => host_mail::MailError::Unreachable(why),
        MailError::Timeout(why) => host_mail::MailError::Timeout(why),
        MailError::Tls(why) => host_mail::MailError::Tls(why),
        MailError::Auth(why) => host_mail::MailError::Auth(why),
        MailError::Refused { reply: said, recipients: refused } => {
            let temporary = said.is_temporary() || refused.iter().any(|one| one.reply.is_temporary());
            let refused = recipients(refused);
            host_mail::MailError::Refused(host_mail::Refusal {
                reply: reply(said),
                temporary,
                recipients: refused,
            })
        }
        MailError::BudgetExceeded(why) => host_mail::MailError::BudgetExceeded(why),
    }
}
