//! A web server for a folder, on this host only. It refuses some files for a while, as servers under load do.
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// So often a busy file is refused.
const REFUSALS: usize = 2;

#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    refused: Arc<AtomicUsize>,
}

impl Server {
    /// Serves `folder` until the process ends. Files with the names `busy` are refused at first.
    pub(crate) fn start(folder: &Path, busy: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = Arc::new(AtomicUsize::new(0));
        let (folder, counter) = (folder.to_owned(), Arc::clone(&refused));
        let busy: Vec<String> = busy.iter().map(|name| (*name).to_owned()).collect();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, counter, busy) = (folder.clone(), Arc::clone(&counter), busy.clone());
                // A client that goes away is its own business.
                thread::spawn(move || drop(answer(stream, &folder, &busy, &counter)));
            }
        });
        Self { port, refused }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often a file was refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

fn answer(stream: TcpStream, folder: &Path, busy: &[String], refused: &AtomicUsize) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The rest of the request says nothing that matters here.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut stream = stream;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path: PathBuf = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if busy.contains(&name) && refused.load(Ordering::SeqCst) < REFUSALS {
        refused.fetch_add(1, Ordering::SeqCst);
        return stream.write_all(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let Ok(mut file) = File::open(folder.join(path)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let length = file.metadata()?.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    if method == "GET" {
        io::copy(&mut file, &mut stream)?;
    }
    stream.flush()
}
