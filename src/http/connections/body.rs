//! Request bodies, which have a deadline and count against the memory limit of all bodies, and response bodies, whose
//! end is the end of the request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::{BODY, Pace};
use super::register::Connection;

/// A body as poem represents it.
pub(super) type Boxed = http_body_util::combinators::BoxBody<Bytes, io::Error>;

pub(super) struct Arriving {
    inner: Boxed,
    connection: Connection,
    deadline: Pin<Box<Sleep>>,
    has_waited: bool,
}

impl Arriving {
    /// The whole body must arrive within [`BODY`] from now.
    pub(super) fn new(inner: Boxed, connection: Connection) -> Self {
        Self { inner, connection, deadline: Box::pin(sleep_until(Instant::now() + BODY)), has_waited: false }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    self.connection.hold(bytes.len());
                }
                if self.has_waited && (frame.is_none() || self.inner.is_end_stream()) {
                    self.connection.is_whole();
                }
                Poll::Ready(frame)
            }
            // Data that is available is read; after the deadline nothing more is waited for, even if bytes keep
            // trickling in.
            Poll::Pending => {
                if !std::mem::replace(&mut self.has_waited, true) {
                    self.connection.waits();
                }
                self.deadline.as_mut().poll(cx).map(|()| Some(Err(late())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the body did not arrive within {} seconds", BODY.as_secs()))
}

pub(super) struct Leaving {
    inner: Boxed,
    _until_it_ends: Request,
}

impl Leaving {
    pub(super) fn new(inner: Boxed, request: Request) -> Self {
        Self { inner, _until_it_ends: request }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A request, from the end of its head to the end of its response. When it is dropped, the connection waits for the
/// next one.
pub(super) struct Request {
    pace: Pace,
    connection: Connection,
}

impl Request {
    pub(super) fn begin(pace: &Pace, connection: &Connection) -> Self {
        pace.begun();
        connection.begun();
        Self { pace: pace.clone(), connection: connection.clone() }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.pace.answered(Instant::now());
        self.connection.answered();
    }
}
