//! What the black-box tests share: the real program, remotes that fail on command, and waiting.
//!
//! A test starts a [`Hub`] (the binary `watchbell` in a folder of its own), talks to it over HTTP and
//! over its command line, and looks at nothing else. Remotes are a [`Sink`]; time is waited for with
//! [`wait_for`].

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod ai_sdks;
mod alertmanager;
mod author;
mod cache;
mod compiled;
mod components;
mod database;
mod env;
mod home;
mod hub;
mod log;
mod mail_server;
mod mariadb;
mod postgres;
mod proxy;
mod python;
mod reply;
mod schemathesis;
mod sink;
mod slack_sdk;
mod standard_webhooks;
mod wait;

/// Makes of every claim about a [`Home`] a test for each database.
#[macro_export]
macro_rules! on_every_database {
    ($($claim:ident),+ $(,)?) => {
        $(mod $claim {
            #[tokio::test]
            async fn sqlite() {
                super::$claim($crate::Home::new().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(home) = $crate::Home::on($crate::Engine::Postgres).await {
                    super::$claim(home).await;
                }
            }

            #[tokio::test]
            async fn mariadb() {
                if let Some(home) = $crate::Home::on($crate::Engine::Mariadb).await {
                    super::$claim(home).await;
                }
            }
        })+
    };
}

pub use ai_sdks::AiSdks;
pub use alertmanager::Alertmanager;
pub use author::{Author, Step, steps};
pub use cache::{Cache, Kind};
pub use components::{ComponentizePy, Jco, golden_cases};
pub use database::{DatabaseServer, Engine};
pub use env::binary;
pub use home::Home;
pub use hub::Hub;
pub use log::Log;
pub use mail_server::{MailRules, MailServer};
pub use proxy::Proxy;
pub use reply::Reply;
pub use schemathesis::Schemathesis;
pub use sink::{Answer, Received, Sink};
pub use slack_sdk::SlackSdk;
pub use standard_webhooks::StandardWebhooks;
pub use wait::{PATIENCE, wait_for};
