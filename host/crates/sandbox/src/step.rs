//! What happens while a plugin is loaded, for those who want to know.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::CacheFault;

/// One thing that loading has done. As text it is a line that reads alone.
#[derive(Debug)]
pub enum LoadStep {
    /// Size, imports and exports are those of a plugin of its kind.
    Admitted {
        /// The version of the contract that it was built for.
        contract: String,
    },
    /// It was compiled.
    Compiled {
        /// Wall time.
        elapsed: Duration,
        /// Bytes of native code.
        size_bytes: usize,
    },
    /// Its native code came from the cache.
    Cached {
        /// Bytes of native code.
        size_bytes: usize,
    },
    /// A file of the cache was not used; it is compiled again and replaced.
    CacheIgnored {
        /// The file.
        file: PathBuf,
        /// Why.
        fault: CacheFault,
    },
    /// Its native code could not be kept, so the next start compiles too.
    CacheNotWritten {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It said who it is.
    Described {
        /// Its own version.
        version: String,
    },
    /// It has the functions of the contract, with the types of the contract.
    Linked,
    /// It read its own sample.
    SampleRead,
}

impl fmt::Display for LoadStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { contract } => {
                write!(f, "imports and exports fit version {contract} of the contract")
            }
            Self::Compiled { elapsed, size_bytes } => {
                write!(f, "compiled to {} KiB in {} ms", size_bytes / 1024, elapsed.as_millis())
            }
            Self::Cached { size_bytes } => {
                write!(f, "{} KiB of native code from the cache", size_bytes / 1024)
            }
            Self::CacheIgnored { file, fault } => {
                write!(f, "cached code `{}` is ignored and replaced: {fault}", file.display())
            }
            Self::CacheNotWritten { file, cause } => {
                write!(f, "cached code `{}` cannot be written: {cause}", file.display())
            }
            Self::Described { version } => write!(f, "says that it is version {version}"),
            Self::Linked => f.write_str("its functions have the types of the contract"),
            Self::SampleRead => f.write_str("reads its own sample"),
        }
    }
}
