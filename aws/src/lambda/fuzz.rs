//! Events of a function, whatever is in them, tried by a fuzzer; see `core/src/fuzz.rs`.

use bolero::check;

use super::batch::WorkerEvent;
use super::http::{GatewayRequest, RequestError};

/// An event is a request, or is refused.
#[test]
fn requests() {
    check!(name = "requests").for_each(|input: &[u8]| {
        let Ok(event) = serde_json::from_slice::<GatewayRequest>(input) else {
            return;
        };
        match event.request() {
            // What the service is handed has a path that its routes can be compared with.
            Ok(request) => assert!(request.uri().path().starts_with(['/', '*'])),
            Err(RequestError::NotHttp | RequestError::Malformed) => {}
        }
    });
}

/// A batch hands on each message once, under the id that Lambda knows.
#[test]
fn batches() {
    check!(name = "batches").for_each(|input: &[u8]| {
        let Ok(WorkerEvent::Batch(batch)) = serde_json::from_slice(input) else {
            return;
        };
        for record in batch.records {
            let (id, body) = (record.message_id.clone(), record.body.clone());
            let (known, message) = record.into_message();
            assert_eq!((known, message.body.as_wire()), (id, body.as_str()));
            assert_eq!(message.body.crash_count(), message.body.crash_count());
        }
    });
}
