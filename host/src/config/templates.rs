//! Where the operator's templates are.

use std::path::PathBuf;

use super::{Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "WATCHBELL_TEMPLATES_DIR",
    default: "",
    meaning: "Where templates of notifications are: files named `<notifier>_<kind>.j2` are for all channels of a\n\
              notifier, others for those that name them. A kind is `title`, `text`, `html` or `payload`. They are\n\
              read at each attempt. Empty: what is built in, and what channels bring themselves.",
}];

/// Where the operator's templates are.
#[derive(Debug, Clone)]
pub struct TemplateSettings {
    /// The folder, where there is one.
    pub folder: Option<PathBuf>,
}

impl TemplateSettings {
    /// Reads the section; a folder that cannot be used is told of by `watchbell check` and at each attempt.
    pub fn read(source: &Source) -> Self {
        let folder = source.text("WATCHBELL_TEMPLATES_DIR").filter(|folder| !folder.is_empty());
        Self { folder: folder.map(PathBuf::from) }
    }
}
