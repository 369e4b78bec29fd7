//! One dialogue with a mail server (RFC 5321), from its greeting to its last answer.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::egress::{MailError, MailReply, MailSecurity, RefusedRecipient, SentMail};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter, ServerInfo};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::letter::Letter;
use super::wire::Wire;
use crate::egress::origin::Origin;

/// The longest text of an answer that is passed on, in bytes (`wit/host.wit`).
const MAX_REPLY_BYTES: usize = 512;

/// How often a server may ask back while somebody logs in. LOGIN asks twice.
const MAX_CHALLENGES: usize = 4;

/// User name and password.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

/// What a dialogue is about.
pub(super) struct Errand<'a> {
    pub(super) origin: &'a Origin,
    pub(super) security: MailSecurity,
    pub(super) login: Option<Login>,
    pub(super) letter: Letter,
    pub(super) tls: TlsConnector,
    /// Set once the whole message is on its way: from then on the server may have it.
    pub(super) handed_over: AtomicBool,
}

/// A dialogue that has got past its greeting.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// What the server offers, by its last answer to EHLO.
    offers: ServerInfo,
}

impl Session {
    /// Says good-bye; for politeness only.
    pub(super) async fn quit(mut self) {
        // What a server says to that changes nothing.
        let _ = self.connection.command(Quit).await;
    }
}

impl Errand<'_> {
    /// Greets and, unless nothing is to protect the connection, changes to TLS.
    pub(super) async fn open(&self, stream: TcpStream) -> Result<Session, MailError> {
        self.check_login(&stream)?;
        let broken = |error: std::io::Error| self.broken(&error.to_string());
        let hello = hello(stream.local_addr().map_err(broken)?.ip());
        let wire = Wire::new(stream);
        if self.origin.scheme() == "smtps" {
            self.secure(&wire).await?;
        }
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire.clone()), &hello).await;
        let mut connection = connection.map_err(|error| self.explain(&error))?;
        let mut offers = connection.server_info().clone();
        if self.origin.scheme() == "smtp" && self.security == MailSecurity::Tls {
            if !offers.supports_feature(Extension::StartTls) {
                return Err(MailError::Tls(format!(
                    "`{}` does not offer STARTTLS\n\
                     hint: try `smtps://{}`; a relay in your own network may do without: security `none`",
                    self.origin,
                    self.origin.host(),
                )));
            }
            let answer = connection.command(Starttls).await;
            self.completed(answer)?;
            self.secure(&wire).await?;
            // What was offered in clear text may be anybody's word.
            let answer = connection.command(Ehlo::new(hello)).await.map_err(|error| self.explain(&error))?;
            offers = ServerInfo::from_response(&answer).map_err(|error| self.explain(&error))?;
        }
        Ok(Session { connection, offers })
    }

    /// Logs in where there is a login, and hands the message over.
    pub(super) async fn deliver(&self, session: &mut Session) -> Result<SentMail, MailError> {
        self.log_in(session).await?;
        let parameters = self.parameters(&session.offers)?;
        let Session { connection, .. } = session;
        let mail = Mail::new(Some(self.letter.sender.clone()), parameters);
        let answer = connection.command(mail).await;
        self.completed(answer)?;
        let refused = self.name_recipients(connection).await?;
        let answer = connection.command(Data).await.map_err(|error| self.explain(&error))?;
        if !answer.has_code(354) {
            return Err(self.broken("it answered DATA with another code than 354"));
        }
        self.handed_over.store(true, Ordering::Relaxed);
        let answer = connection.message(&self.letter.bytes).await;
        let answer = self.completed(answer)?;
        let text: Vec<&str> = answer.message().collect();
        Ok(SentMail { reply: self.reply(answer.code().into(), &text.join(" ")), refused })
    }

    /// What the server says to each recipient; the error if it takes none of them.
    async fn name_recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
    ) -> Result<Vec<RefusedRecipient>, MailError> {
        let mut refused = Vec::new();
        for recipient in &self.letter.recipients {
            let answer = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            match self.completed(answer) {
                Ok(_) => {}
                // 421: the server is closing the connection.
                Err(MailError::Refused { reply, .. }) if reply.code != 421 => {
                    refused.push(RefusedRecipient { address: recipient.to_string(), reply });
                }
                Err(error) => return Err(error),
            }
        }
        if refused.len() < self.letter.recipients.len() {
            return Ok(refused);
        }
        let telling = refused.iter().find(|one| one.reply.is_temporary()).or_else(|| refused.first());
        let reply = telling.map(|one| one.reply.clone());
        Err(match reply {
            Some(reply) => MailError::Refused { reply, recipients: refused },
            None => MailError::InvalidMessage("there is no recipient".to_owned()),
        })
    }

    fn check_login(&self, stream: &TcpStream) -> Result<(), MailError> {
        let may = stream.peer_addr().is_ok_and(|peer| may_log_in(self.security, peer.ip()));
        if self.login.is_none() || may {
            return Ok(());
        }
        Err(MailError::InvalidMessage(
            "credentials are not sent without TLS\n\
             hint: leave user name and password out, or security at `tls`"
                .to_owned(),
        ))
    }

    async fn secure(&self, wire: &Wire) -> Result<(), MailError> {
        let host = self.origin.host().trim_start_matches('[').trim_end_matches(']');
        let failed = |why: &dyn std::fmt::Display| {
            MailError::Tls(format!("`{}`: the TLS handshake came to nothing: {why}", self.origin))
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        wire.secure(&self.tls, name).await.map_err(|error| failed(&error))
    }

    async fn log_in(&self, session: &mut Session) -> Result<(), MailError> {
        let Some(Login { username, password }) = &self.login else { return Ok(()) };
        let Session { connection, offers } = session;
        let Some(mechanism) = offers.get_auth_mechanism(&[Mechanism::Plain, Mechanism::Login]) else {
            return Err(MailError::Auth(format!(
                "`{}` offers neither PLAIN nor LOGIN to log in with",
                self.origin
            )));
        };
        let credentials = Credentials::new(username.clone(), password.clone());
        let mut command = Auth::new(mechanism, credentials.clone(), None);
        for _ in 0..=MAX_CHALLENGES {
            let command_line = command.map_err(|error| self.refused_login(&error))?;
            let answer: Response =
                connection.command(command_line).await.map_err(|error| self.refused_login(&error))?;
            if !answer.has_code(334) {
                return self.completed(Ok(answer)).map(|_| ());
            }
            command = Auth::new_from_response(mechanism, credentials.clone(), &answer);
        }
        Err(MailError::Auth(format!("`{}` asks for more than user name and password", self.origin)))
    }

    /// Whatever is refused for good while logging in is for an operator.
    fn refused_login(&self, error: &Error) -> MailError {
        match self.explain(error) {
            MailError::Refused { reply, .. } if !reply.is_temporary() => self.auth(&reply),
            other => other,
        }
    }

    fn parameters(&self, offers: &ServerInfo) -> Result<Vec<MailParameter>, MailError> {
        if !self.letter.needs_utf8() {
            return Ok(Vec::new());
        }
        if !offers.supports_feature(Extension::SmtpUtfEight) {
            return Err(MailError::InvalidMessage(format!(
                "`{}` takes addresses in ASCII only\n\
                 hint: write host names outside of it in their `xn--` form",
                self.origin
            )));
        }
        Ok(vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)])
    }

    /// An answer of 200 to 299. The library lets 300 to 399 pass too, which ask for more.
    fn completed(&self, answer: Result<Response, Error>) -> Result<Response, MailError> {
        let answer = answer.map_err(|error| self.explain(&error))?;
        match answer.code().severity {
            Severity::PositiveCompletion => Ok(answer),
            _ => Err(self.broken(&format!("it answered with {} out of turn", answer.code()))),
        }
    }

    /// What an error of the library means.
    fn explain(&self, error: &Error) -> MailError {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let Some(code) = error.status() else { return self.broken(&source) };
        let reply = self.reply(code.into(), &source);
        match reply.code {
            530 | 534 | 535 | 538 => self.auth(&reply),
            _ => MailError::Refused { reply, recipients: Vec::new() },
        }
    }

    fn auth(&self, reply: &MailReply) -> MailError {
        MailError::Auth(format!("`{}` answered {reply}", self.origin))
    }

    fn broken(&self, why: &str) -> MailError {
        MailError::Unreachable(format!("`{}`: the dialogue broke off{}: {why}", self.origin, self.maybe()))
    }

    /// What a person has to know where the last answer is missing.
    pub(super) fn maybe(&self) -> &'static str {
        match self.handed_over.load(Ordering::Relaxed) {
            true => " after the server had the whole message, which it may have taken",
            false => "",
        }
    }

    /// An answer fit to be kept and logged: one line, not too long, without the addresses of the message, and
    /// without the password in any form in which the server has got it.
    fn reply(&self, code: u16, text: &str) -> MailReply {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut hidden: Vec<String> = Vec::new();
        if let Some(Login { username, password }) = &self.login {
            let plain = BASE64.encode(format!("\0{username}\0{password}"));
            hidden.extend([plain, BASE64.encode(password), password.clone()]);
        }
        let addresses = self.letter.recipients.iter().chain([&self.letter.sender]);
        hidden.extend(addresses.map(ToString::to_string));
        for form in hidden {
            text = text.replace(&form, "[redacted]");
        }
        let end = (0..=MAX_REPLY_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        MailReply { code, text }
    }
}

/// Whether a password may be said to a server at this address. Nobody listens in between on loopback.
fn may_log_in(security: MailSecurity, peer: IpAddr) -> bool {
    security == MailSecurity::Tls || peer.to_canonical().is_loopback()
}

/// How the hub introduces itself: by the address that the server sees, since it need not have a name.
///
/// # Source
/// RFC 5321, section 4.1.3.
fn hello(own: IpAddr) -> ClientId {
    match own.to_canonical() {
        IpAddr::V4(address) => ClientId::Ipv4(address),
        IpAddr::V6(address) => ClientId::Ipv6(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_said_in_clear_text_on_loopback_only() {
        let in_clear = |peer: &str| may_log_in(MailSecurity::None, peer.parse().unwrap());
        assert!(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].into_iter().all(in_clear));
        assert!(!["10.0.0.1", "192.0.2.1", "fe80::1", "::ffff:10.0.0.1"].into_iter().any(in_clear));
        assert!(may_log_in(MailSecurity::Tls, "192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn the_hub_introduces_itself_by_its_address() {
        let said = |own: &str| Ehlo::new(hello(own.parse().unwrap())).to_string();
        assert_eq!(said("192.0.2.1"), "EHLO [192.0.2.1]\r\n");
        assert_eq!(said("::ffff:192.0.2.1"), "EHLO [192.0.2.1]\r\n");
        assert_eq!(said("2001:db8::1"), "EHLO [IPv6:2001:db8::1]\r\n");
    }
}
