//! From what a plugin asks for to a message as it is sent (RFC 5322, MIME).

use std::time::SystemTime;

use domain::egress::{MailError, MailMessage};
use lettre::message::header::{self, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};

/// Bounds of `wit/host.wit`, in bytes. A word that long still fits on a line of SMTP, 998 bytes.
const MAX_ADDRESS: usize = 512;
const MAX_SUBJECT: usize = 900;
const MAX_ID: usize = 250;
const MAX_VALUE: usize = 900;
const MAX_NAME: usize = 64;

/// Headers that a plugin may add, in lower case. The others say who wrote to whom and how the message is
/// made, which is the host's to say.
const FREE_HEADERS: [&str; 6] =
    ["auto-submitted", "importance", "keywords", "organization", "precedence", "priority"];
const FREE_PREFIXES: [&str; 2] = ["x-", "list-"];

/// A message as it is sent, and between whom.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) sender: Address,
    /// Each once.
    pub(super) recipients: Vec<Address>,
    pub(super) bytes: Vec<u8>,
}

impl Letter {
    /// Whether a server must take addresses outside of ASCII for it (RFC 6531).
    pub(super) fn needs_utf8(&self) -> bool {
        !self.bytes.is_ascii() || self.recipients.iter().any(|address| !is_ascii(address))
    }
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

fn invalid(text: String) -> MailError {
    MailError::InvalidMessage(text)
}

/// Checks a message and writes it. What is refused is named and not shown.
pub(super) fn write(message: &MailMessage, date: SystemTime) -> Result<Letter, MailError> {
    let sender = mailbox("sender", &message.sender)?;
    let reply_to = message.reply_to.as_deref().map(|text| mailbox("reply-to", text)).transpose()?;
    let to = mailboxes("to", &message.to)?;
    let cc = mailboxes("cc", &message.cc)?;
    let bcc = mailboxes("bcc", &message.bcc)?;
    let mut recipients: Vec<Address> = Vec::new();
    for mailbox in to.iter().chain(&cc).chain(&bcc) {
        if !recipients.contains(&mailbox.email) {
            recipients.push(mailbox.email.clone());
        }
    }
    if recipients.is_empty() {
        return Err(invalid("there is no recipient".to_owned()));
    }
    one_line("the subject", &message.subject, MAX_SUBJECT)?;

    let mut builder = Message::builder()
        .date(date)
        .header(header::From::from(Mailboxes::from(sender.clone())))
        .subject(message.subject.as_str())
        .message_id(Some(identifier(&message.message_id)?));
    if let Some(reply_to) = reply_to {
        builder = builder.header(header::ReplyTo::from(Mailboxes::from(reply_to)));
    }
    if !to.is_empty() {
        builder = builder.header(header::To::from(to.into_iter().collect::<Mailboxes>()));
    }
    if !cc.is_empty() {
        builder = builder.header(header::Cc::from(cc.into_iter().collect::<Mailboxes>()));
    }
    builder = thread(builder, &message.references)?;
    for (name, value) in &message.headers {
        builder = builder.raw_header(free_header(name, value)?);
    }
    let text = message.text.clone();
    // The envelope is ours; the library makes one of the headers and wants recipients in them.
    builder = builder.envelope(
        lettre::address::Envelope::new(Some(sender.email.clone()), recipients.clone())
            .map_err(|error| invalid(error.to_string()))?,
    );
    let built = match &message.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.clone())),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    let built = built.map_err(|error| invalid(error.to_string()))?;
    Ok(Letter { sender: sender.email, recipients, bytes: built.formatted() })
}

fn thread(builder: MessageBuilder, references: &[String]) -> Result<MessageBuilder, MailError> {
    let ids = references.iter().map(|id| identifier(id)).collect::<Result<Vec<_>, _>>()?;
    Ok(match ids.last() {
        None => builder,
        Some(last) => builder.in_reply_to(last.clone()).references(ids.join(" ")),
    })
}

fn mailboxes(field: &str, texts: &[String]) -> Result<Vec<Mailbox>, MailError> {
    texts.iter().map(|text| mailbox(field, text)).collect()
}

/// `name@host` or `Name <name@host>`. The library's own parser lets anything stand behind.
fn mailbox(field: &str, text: &str) -> Result<Mailbox, MailError> {
    one_line(&format!("an address of `{field}`"), text, MAX_ADDRESS)?;
    let text = text.trim();
    let parts = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    let (name, address) = parts.map_or((None, text), |(name, address)| (Some(name), address));
    let address = address.parse().map_err(|_| {
        let expected = "expected `name@example.com` or `Name <name@example.com>`";
        invalid(format!("`{field}` has what is no address: {expected}"))
    })?;
    let name = name.map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, address))
}

/// `<id@domain>` of visible characters.
fn identifier(text: &str) -> Result<String, MailError> {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte);
    let has_parts = inner
        .split_once('@')
        .is_some_and(|(id, domain)| !id.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if text.len() > MAX_ID || !has_parts || !inner.bytes().all(is_plain) {
        return Err(invalid(format!("an identifier must be `<id@domain>` of at most {MAX_ID} bytes")));
    }
    Ok(text.to_owned())
}

fn free_header(name: &str, value: &str) -> Result<HeaderValue, MailError> {
    let lower = name.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_free = FREE_HEADERS.contains(&lower.as_str())
        || FREE_PREFIXES.iter().any(|prefix| lower.len() > prefix.len() && lower.starts_with(prefix));
    if name.len() > MAX_NAME || !lower.bytes().all(is_token) || !is_free {
        let shown: String = name.chars().take(MAX_NAME).flat_map(char::escape_default).collect();
        return Err(invalid(format!("header `{shown}` cannot be set")));
    }
    one_line(&format!("header `{name}`"), value, MAX_VALUE)?;
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| invalid(error.to_string()))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

fn one_line(what: &str, text: &str, most: usize) -> Result<(), MailError> {
    if text.len() > most {
        return Err(invalid(format!("{what} has {} bytes, at most {most} are allowed", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("{what} has a line break or another control character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use domain::egress::MailSecurity;

    use super::*;

    fn message() -> MailMessage {
        MailMessage {
            server: String::new(),
            security: MailSecurity::Tls,
            username: None,
            password: None,
            sender: "Wächter, \"Hub\" <hub@example.com>".to_owned(),
            reply_to: Some("noc@example.com".to_owned()),
            to: vec!["Ops <ops@example.com>".to_owned(), "b@example.com".to_owned()],
            cc: vec!["c@example.com".to_owned()],
            bcc: vec!["hidden@example.com".to_owned(), "OPS <ops@example.com>".to_owned()],
            subject: "Datenträger voll auf db1".to_owned(),
            text: "voll: 99 %\n".to_owned(),
            html: Some("<p>voll</p>".to_owned()),
            message_id: "<01JD@example.com>".to_owned(),
            references: vec!["<root@example.com>".to_owned(), "<last@example.com>".to_owned()],
            headers: vec![("X-Priority".to_owned(), "1".to_owned())],
            timeout_ms: None,
        }
    }

    fn text(message: &MailMessage) -> String {
        let letter = write(message, UNIX_EPOCH + Duration::from_secs(1_780_315_200)).unwrap();
        String::from_utf8(letter.bytes).unwrap()
    }

    #[test]
    fn a_message_has_the_headers_that_were_asked_for_and_no_bcc() {
        let text = text(&message());
        for line in [
            "Date: Mon, 01 Jun 2026 12:00:00 +0000\r\n",
            "Reply-To: noc@example.com\r\n",
            "To: Ops <ops@example.com>, b@example.com\r\n",
            "Cc: c@example.com\r\n",
            "Message-ID: <01JD@example.com>\r\n",
            "In-Reply-To: <last@example.com>\r\n",
            "References: <root@example.com> <last@example.com>\r\n",
            "X-Priority: 1\r\n",
            "MIME-Version: 1.0\r\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(
            text.is_ascii() && !text.to_lowercase().contains("bcc") && !text.contains("hidden"),
            "{text}"
        );
        let plain = text.find("text/plain; charset=utf-8").unwrap();
        assert!(plain < text.find("text/html; charset=utf-8").unwrap(), "{text}");
        assert!(text.contains("multipart/alternative"), "{text}");
    }

    #[test]
    fn everybody_gets_one_copy() {
        let letter = write(&message(), UNIX_EPOCH).unwrap();
        let recipients: Vec<String> = letter.recipients.iter().map(ToString::to_string).collect();
        // Names of mailboxes may differ by case alone (RFC 5321, section 2.4); these do not.
        assert_eq!(recipients, ["ops@example.com", "b@example.com", "c@example.com", "hidden@example.com"]);
    }

    #[test]
    fn line_breaks_are_those_of_smtp_and_lines_not_too_long() {
        let hostile = format!(".\r\n..\n.\r\rMAIL FROM:<x@example.com>\n\r\n.\n{}\r", "long ".repeat(1_000));
        for html in [None, Some(hostile.clone())] {
            let bytes = text(&MailMessage { text: hostile.clone(), html, ..message() });
            let bare = bytes.replace("\r\n", "");
            assert!(!bare.contains(['\r', '\n']), "a bare line break");
            assert!(bytes.split("\r\n").all(|line| line.len() <= 998));
        }
    }

    #[test]
    fn no_field_can_add_a_header() {
        let break_in = |text: &str| format!("{text}\r\nBcc: x@example.com");
        let of = |field: fn(&mut MailMessage) -> &mut String| {
            let mut message = message();
            let text = field(&mut message);
            *text = break_in(text);
            message
        };
        for hostile in [
            of(|message| &mut message.subject),
            of(|message| &mut message.sender),
            of(|message| message.reply_to.as_mut().unwrap()),
            of(|message| &mut message.to[1]),
            of(|message| &mut message.cc[0]),
            of(|message| &mut message.bcc[0]),
            of(|message| &mut message.message_id),
            of(|message| &mut message.references[0]),
            of(|message| &mut message.headers[0].0),
            of(|message| &mut message.headers[0].1),
        ] {
            assert!(matches!(write(&hostile, UNIX_EPOCH), Err(MailError::InvalidMessage(_))), "{hostile:?}");
        }
    }

    #[test]
    fn headers_that_are_the_hosts_own_cannot_be_set() {
        let with = |name: &str| {
            let headers = vec![(name.to_owned(), "x".to_owned())];
            write(&MailMessage { headers, ..message() }, UNIX_EPOCH)
        };
        for name in ["X-Anything", "list-id", "Auto-Submitted", "PRECEDENCE", "Importance"] {
            with(name).unwrap();
        }
        for name in
            ["Bcc", "From", "Sender", "Received", "Content-Type", "DKIM-Signature", "X-", "X Y", "X-A:B", ""]
        {
            assert!(with(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_no_address_or_identifier_is_refused() {
        for address in ["ops", "a@b, c@d", "a@b <c@d", "Ops <>", "<a@b> c", "a b@c", "@example.com", ""] {
            let to = vec![address.to_owned()];
            assert!(write(&MailMessage { to, ..message() }, UNIX_EPOCH).is_err(), "{address}");
        }
        for id in ["a@b", "<a>", "<a@b", "<a@b> <c@d>", "<@b>", "<a@>", "<a b@c>", "<a@b@c>", "<é@b>"] {
            let message_id = id.to_owned();
            assert!(write(&MailMessage { message_id, ..message() }, UNIX_EPOCH).is_err(), "{id}");
        }
        let nobody = MailMessage { to: vec![], cc: vec![], bcc: vec![], ..message() };
        assert!(write(&nobody, UNIX_EPOCH).is_err());
    }

    #[test]
    fn addresses_outside_of_ascii_need_a_server_that_takes_them() {
        assert!(!write(&message(), UNIX_EPOCH).unwrap().needs_utf8());
        let to = vec!["jürgen@example.com".to_owned()];
        assert!(write(&MailMessage { bcc: to, ..message() }, UNIX_EPOCH).unwrap().needs_utf8());
        let reply_to = Some("ops@müller.example".to_owned());
        assert!(write(&MailMessage { reply_to, ..message() }, UNIX_EPOCH).unwrap().needs_utf8());
    }
}
