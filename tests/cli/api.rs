//! The service over a real connection: as little HTTP/1.1 as that takes.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::PASSWORD;

/// A caller.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    token: Option<String>,
    headers: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub json: Value,
}

impl Api {
    /// Nobody yet.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
            headers: String::new(),
        }
    }

    /// The same caller elsewhere: at another node, or at the same one after a restart.
    pub fn elsewhere(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    /// The same caller, with another line in the head of each request.
    pub fn with_header(mut self, line: &str) -> Self {
        self.headers += line;
        self.headers += "\r\n";
        self
    }

    /// The first user, Alice, signed in.
    pub fn owner(&self) -> Self {
        let first =
            json!({ "email": "alice@example.com", "username": "alice", "password": PASSWORD });
        let created = self.post("/api/v2/users/first", &first);
        assert_eq!(created.status, 201, "{created:?}");
        self.signed_in("alice")
    }

    /// Somebody whom we know, signed in.
    pub fn signed_in(&self, username: &str) -> Self {
        let proof = json!({ "email": format!("{username}@example.com"), "password": PASSWORD });
        let answer = self.post("/api/v2/users/login", &proof);
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            token: Some(answer.json["session_token"].as_str().unwrap().to_owned()),
            ..self.clone()
        }
    }

    pub fn token(&self) -> &str {
        self.token.as_ref().unwrap()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").unwrap()
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &body.to_string()).unwrap()
    }

    /// Wishes for a user. Fails if the service dies meanwhile.
    pub fn create(&self, username: &str) -> io::Result<Answer> {
        let wish = json!({
            "email": format!("{username}@example.com"),
            "username": username,
            "password": PASSWORD,
            "organization_ids": [self.organization()?],
        });
        self.send("POST", "/api/v2/users", &wish.to_string())
    }

    fn organization(&self) -> io::Result<Value> {
        let me = self.send("GET", "/api/v2/users/me", "")?;
        Ok(me.json["organization_ids"][0].clone())
    }

    /// Everybody's usernames, as they are listed.
    pub fn usernames(&self) -> Vec<String> {
        let list = self.get("/api/v2/users?limit=0");
        assert_eq!(list.status, 200, "{list:?}");
        let users = list.json["users"].as_array().unwrap();
        users
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect()
    }

    /// One request on a connection of its own. An answer that breaks off is an error.
    pub fn send(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut connection = self.connect()?;
        connection.write_all(self.head(method, path, body.len()).as_bytes())?;
        connection.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        let text = String::from_utf8(answer).map_err(io::Error::other)?;
        read(&text).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// A connection on which nothing was said yet.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let connection = TcpStream::connect(self.address)?;
        connection.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(connection)
    }

    /// The head of a request.
    pub fn head(&self, method: &str, path: &str, length: usize) -> String {
        let token = match &self.token {
            Some(token) => format!("Coder-Session-Token: {token}\r\n"),
            None => String::new(),
        };
        let rest = &self.headers;
        format!(
            "{method} {path} HTTP/1.1\r\nHost: rollcall\r\nConnection: close\r\nContent-Length: {length}\r\n{token}{rest}\r\n"
        )
    }
}

impl Answer {
    /// What it says to people.
    pub fn message(&self) -> &str {
        self.json["message"].as_str().unwrap()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            (found == name).then_some(value)
        });
        value.unwrap()
    }
}

fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let body = if head.contains("transfer-encoding: chunked") {
        unchunked(body)?
    } else {
        body.to_owned()
    };
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        json: serde_json::from_str(&body).ok()?,
    })
}

/// The pieces put together, if the last one is there.
fn unchunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, pieces) = rest.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body += pieces.get(..length)?;
        rest = pieces.get(length..)?.strip_prefix("\r\n")?;
    }
}
