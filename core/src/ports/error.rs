//! Errors of the ports: a kind for the caller, a cause for people, no type of an adapter.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The kind of an error. The caller branches on it, never on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortErrorKind {
    /// The service did not answer, or answered that it is unavailable.
    Unavailable,
    /// The service limits the rate.
    Throttled,
    /// The credentials do not allow it.
    Denied,
    /// The credentials are invalid or have expired.
    Unauthenticated,
    /// The resource does not exist.
    Missing,
    /// The data has an unexpected form.
    Unreadable,
    /// There is no space left.
    Full,
    /// The caller broke a rule of the port.
    Defect,
}

macro_rules! port_error {
    ($(#[$doc:meta])* $name:ident, $sentence:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            kind: PortErrorKind,
            cause: Arc<dyn Error + Send + Sync>,
        }

        impl $name {
            /// An error of this kind.
            pub fn new(
                kind: PortErrorKind,
                cause: impl Into<Box<dyn Error + Send + Sync>>,
            ) -> Self {
                Self {
                    kind,
                    cause: Arc::from(cause.into()),
                }
            }

            /// The cause, without the port's own sentence.
            #[must_use]
            pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
                &*self.cause
            }

            /// The kind.
            #[must_use]
            pub fn kind(&self) -> PortErrorKind {
                self.kind
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sentence, ": {}"), self.cause)
            }
        }

        impl Error for $name {
            /// The source of the cause, which is part of the message already.
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.cause.source()
            }
        }
    };
}

port_error!(
    /// The ledger could not answer.
    LedgerError,
    "the ledger cannot be read or written"
);
port_error!(
    /// A queue could not be read or changed.
    QueueError,
    "the queue cannot be used"
);
port_error!(
    /// A secret could not be read.
    SecretError,
    "the secret cannot be read"
);

/// Why a message was not (certainly) sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// It is certainly not in the queue.
    #[error("the message was not queued: {}", .0.cause())]
    NotSent(QueueError),
    /// It may be in the queue.
    #[error("whether the message was queued is unknown: {}", .0.cause())]
    Unknown(QueueError),
}

impl SendError {
    /// The message is certainly not in the queue, which is unavailable.
    pub fn not_sent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::NotSent(QueueError::new(PortErrorKind::Unavailable, cause))
    }

    /// The message may be in the queue, which is unavailable.
    pub fn unknown(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unknown(QueueError::new(PortErrorKind::Unavailable, cause))
    }
}
