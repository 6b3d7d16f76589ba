//! A server with a certificate that nobody vouches for, and one that a file of the user's does.

use super::Post;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

#[test]
fn a_certificate_that_cannot_be_trusted_gets_nothing_and_nothing_is_lost() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/s3cret", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let ours = Arc::clone(&got);
    // It ends with the tests.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let (mut request, mut buffer) = (Vec::new(), [0; 8192]);
            while !request.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            if request.ends_with(b"}") {
                ours.lock().unwrap().push(String::from_utf8(request).unwrap());
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
                drop(stream.flush());
            }
        }
    });
    let post = Post::new();
    post.configure(&url, "timeout: 5s", "");
    let first = post.patrol(0, &[]);
    assert_eq!(first.code, 2);
    assert!(first.stderr.contains("certificate") && !first.stderr.contains("s3cret"), "{first:?}");
    assert_eq!((post.waiting().len(), got.lock().unwrap().len()), (1, 0));
    post.scene.write("ca.pem", made.cert.pem());
    post.configure(&url, "timeout: 5s, ca_file: ca.pem", "");
    let second = post.patrol(60, &[]);
    assert_eq!(second.stderr, "");
    assert!(post.waiting().is_empty());
    assert!(got.lock().unwrap()[0].contains("cuda_illegal_access"));
}
