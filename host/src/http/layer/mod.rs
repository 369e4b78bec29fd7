//! What every request passes before and after its handler.

mod access;
mod discard;
mod https;
mod key;
mod limit;
mod path;

pub(super) use access::{Told, access};
pub(super) use https::{encrypted_only, transport};
pub(super) use key::key;
pub(super) use path::in_one_form;
