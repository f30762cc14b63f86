//! Requests and their answers, as seen on a server's sockets.

use std::collections::HashMap;

use super::trace::Trace;

/// A request and the beginning of its answer. To keep two requests apart, a connection must carry one at a time, as
/// HTTP/1.1 and PostgreSQL's simple queries do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// All bytes received since the previous answer.
    pub request: Vec<u8>,
    /// The first bytes sent.
    pub answer: Vec<u8>,
    /// The position in the trace at which sending began.
    pub answered_at: usize,
}

impl Exchange {
    /// Whether the request contains these bytes.
    pub fn asks_about(&self, marker: &[u8]) -> bool {
        !marker.is_empty() && self.request.windows(marker.len()).any(|bytes| bytes == marker)
    }

    /// Whether it is an HTTP request that got a 2xx answer.
    pub fn is_http_success(&self) -> bool {
        ["POST ", "PUT ", "DELETE "].iter().any(|method| self.request.starts_with(method.as_bytes()))
            && self.answer.starts_with(b"HTTP/1.1 2")
    }
}

impl Trace {
    /// All answered requests, in the order of their answers.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut moments: Vec<_> = self
            .calls()
            .iter()
            .filter(|call| !call.data.is_empty())
            .filter_map(|call| {
                let socket = call.descriptor.as_ref()?.target.as_str();
                let sent = !call.name.starts_with("recv");
                // A receive counts when it returns, a send when it begins.
                let place = if sent { call.begun } else { call.ended };
                socket.starts_with("socket:").then_some((place, sent, socket, call))
            })
            .collect();
        moments.sort_by_key(|(place, ..)| *place);
        let mut open: HashMap<&str, Vec<u8>> = HashMap::new();
        let mut exchanges = Vec::new();
        for (answered_at, sent, socket, call) in moments {
            if !sent {
                open.entry(socket).or_default().extend(&call.data);
            } else if let Some(request) = open.remove(socket) {
                exchanges.push(Exchange { request, answer: call.data.clone(), answered_at });
            }
        }
        exchanges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `PUT /` and `a1` are received in pieces, `HTTP/1.1 2` and `ok` are sent in two; another socket is active in
    // between.
    const RECORDED: &str = r#"1 recvfrom(9<socket:[7]>, "\x50\x55\x54\x20\x2f", 8192, 0, NULL, NULL) = 5
2 recvfrom(9<socket:[8]>, "\x62\x32", 8192, 0, NULL, NULL) = 2
1 recvfrom(9<socket:[7]>, "\x61\x31", 8192, 0, NULL, NULL) = 2
1 recvfrom(9<socket:[7]>, 0x1, 8192, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
1 writev(9<socket:[7]>, [{iov_base="\x48\x54\x54\x50\x2f\x31\x2e\x31\x20\x32", iov_len=10}], 1 <unfinished ...>
2 sendto(9<socket:[8]>, "\x6f\x6b", 2, 0, NULL, 0) = 2
1 <... writev resumed>) = 10
1 sendto(9<socket:[7]>, "\x6f\x6b", 2, 0, NULL, 0) = 2"#;

    #[test]
    fn a_request_goes_with_the_next_answer_on_its_socket() {
        let exchanges = Trace::parse(RECORDED).unwrap().exchanges();
        let [http, other] = exchanges.as_slice() else { panic!("not two: {exchanges:?}") };
        assert_eq!(
            (http.request.as_slice(), http.answer.as_slice(), http.answered_at),
            (&b"PUT /a1"[..], &b"HTTP/1.1 2"[..], 4)
        );
        assert!(http.is_http_success() && http.asks_about(b"/a1") && !http.asks_about(b"b2"));
        assert_eq!((other.request.as_slice(), other.answered_at), (&b"b2"[..], 5));
        assert!(!other.is_http_success());
    }
}
