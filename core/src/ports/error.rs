//! Errors of the ports: a kind for the caller, a cause for the reader. No adapter's type lives here.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What kind of trouble a port met. The caller branches on it, never on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortErrorKind {
    /// The other side did not answer, or answered that it cannot work now.
    Unavailable,
    /// The other side asks to send less.
    Throttled,
    /// The credentials do not allow it.
    Denied,
    /// The credentials have run out or are none.
    Unauthenticated,
    /// What is asked for is not there.
    Missing,
    /// What was read has another form than expected.
    Unreadable,
    /// There is no room left.
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

            /// What was met, without the port's own sentence.
            #[must_use]
            pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
                &*self.cause
            }

            /// What kind of trouble it is.
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
            /// What is behind the cause, which is part of the sentence already.
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
    /// The message is certainly not in the queue, which does not work now.
    pub fn not_sent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::NotSent(QueueError::new(PortErrorKind::Unavailable, cause))
    }

    /// The message may be in the queue, which does not work now.
    pub fn unknown(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unknown(QueueError::new(PortErrorKind::Unavailable, cause))
    }
}
