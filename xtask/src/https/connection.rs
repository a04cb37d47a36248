//! A connection that stays: many requests one after the other, or one answer that goes on and on.

use super::ApiServer;
use crate::failure::{Doing, Result, fail};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No answer may take longer, and no part of one that goes on.
const LIMIT: Duration = Duration::from_mins(1);

/// An open connection to an API server.
pub(crate) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// The headers of every request.
    headers: String,
    /// What was received and not yet looked at.
    rest: Vec<u8>,
}

impl ApiServer {
    /// Opens a connection.
    pub(crate) fn open(&self) -> Result<Connection> {
        let what = || format!("connect to {}", self.address);
        let stream = TcpStream::connect(&self.address).doing(what)?;
        stream.set_read_timeout(Some(LIMIT)).doing(what)?;
        stream.set_nodelay(true).doing(what)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).doing(what)?;
        let token = self.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        Ok(Connection {
            stream: StreamOwned::new(connection, stream),
            headers: format!("Host: {}\r\n{}", self.address, token.unwrap_or_default()),
            rest: Vec::new(),
        })
    }

    /// Watches what is at a path until `look` finds what is waited for; what is there already counts as news.
    pub(crate) fn watch<T>(
        &self,
        path: &str,
        limit: Duration,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let what = || format!("watch https://{}{path}", self.address);
        let started = Instant::now();
        let mut connection = self.open()?;
        connection.follow(path).doing(what)?;
        let mut rest = Vec::new();
        while let Some(left) = limit
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
        {
            connection.wait_at_most(left).doing(what)?;
            let piece = match connection.piece() {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                piece => piece.doing(what)?,
            };
            if piece.is_empty() {
                fail!("the watch of https://{}{path} ended", self.address);
            }
            rest.extend(piece);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let after = rest.split_off(end + 1);
                let line = std::mem::replace(&mut rest, after);
                if let Some(found) = look(&serde_json::from_slice(&line).doing(what)?) {
                    return Ok(found);
                }
            }
        }
        let limit = crate::say::duration(limit);
        fail!("watched https://{}{path} in vain for {limit}", self.address)
    }
}

/// How the body of an answer ends.
enum Length {
    Known(usize),
    Pieces,
}

impl Connection {
    /// Sends a request and reads the whole answer: status and body.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let (status, length) = self.begin(method, path, body)?;
        match length {
            Length::Known(length) => {
                while self.rest.len() < length {
                    self.receive()?;
                }
                let after = self.rest.split_off(length);
                Ok((status, std::mem::replace(&mut self.rest, after)))
            }
            Length::Pieces => {
                let mut whole = Vec::new();
                loop {
                    let piece = self.piece()?;
                    if piece.is_empty() {
                        return Ok((status, whole));
                    }
                    whole.extend(piece);
                }
            }
        }
    }

    /// Asks for an answer that goes on; its parts are had one by one by [`Connection::piece`].
    pub(crate) fn follow(&mut self, path: &str) -> std::io::Result<()> {
        match self.begin("GET", path, &[])? {
            (200, Length::Pieces) => Ok(()),
            (status, _) => Err(Error::other(format!("{path} is answered with {status}"))),
        }
    }

    /// The next part of an answer; empty at its end. After an error for want of time it may be asked for again.
    pub(crate) fn piece(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(begin) = self.end_of(b"\r\n") {
                let length = std::str::from_utf8(&self.rest[..begin])
                    .ok()
                    .and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
                let length = length.ok_or_else(|| Error::other("a part has no length"))?;
                let end = begin.saturating_add(length);
                if self.rest.len() >= end.saturating_add(2) {
                    let piece = self.rest[begin..end].to_vec();
                    self.rest.drain(..end + 2);
                    return Ok(piece);
                }
            }
            self.receive()?;
        }
    }

    /// How long to wait for a part of an answer from now on.
    pub(super) fn wait_at_most(&self, limit: Duration) -> std::io::Result<()> {
        self.stream.sock.set_read_timeout(Some(limit))
    }

    fn begin(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<(u16, Length)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{}Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.headers,
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat())?;
        self.stream.flush()?;
        let head = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head
            .split_whitespace()
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Error::other("the answer is not HTTP"))?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        Ok((status, length.map_or(Length::Pieces, Length::Known)))
    }

    /// What comes before a mark, with the mark; it is taken off.
    fn until(&mut self, mark: &[u8]) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.end_of(mark) {
                let after = self.rest.split_off(end);
                return Ok(std::mem::replace(&mut self.rest, after));
            }
            self.receive()?;
        }
    }

    /// Where a mark ends in what was received.
    fn end_of(&self, mark: &[u8]) -> Option<usize> {
        let begin = self.rest.windows(mark.len()).position(|window| window == mark)?;
        Some(begin + mark.len())
    }

    fn receive(&mut self) -> std::io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(Error::other("the connection ended")),
            read => {
                self.rest.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }
}
