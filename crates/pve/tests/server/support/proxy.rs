//! A proxy for tests.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A proxy that understands CONNECT, and the heads of what it was asked.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Connects whoever asks to this server; refuses where there is none.
    pub(crate) fn start(to: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut reader = BufReader::new(client.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap() == 0 {
                        break;
                    }
                }
                seen.lock().unwrap().push(head);
                match to {
                    Some(to) => tunnel(client, TcpStream::connect(to).unwrap()),
                    None => drop((&client).write_all(
                        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
                    )),
                }
            }
        });
        Self { address, heads }
    }

    /// What it was asked so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn tunnel(mut client: TcpStream, mut server: TcpStream) {
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let mut client_reads = client.try_clone().unwrap();
    let mut server_reads = server.try_clone().unwrap();
    std::thread::spawn(move || copy(&mut client_reads, &mut server));
    std::thread::spawn(move || copy(&mut server_reads, &mut client));
}
