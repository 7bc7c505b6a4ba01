//! An inference engine's own account: its `/metrics` page, read over plain HTTP.
//!
//! Kept are time to first token, requests that run and wait, and use of the KV cache, under the names the
//! engine gives them and with its labels; `instance` says which page. The page is another program's: its size,
//! its time and the number of series are bounded.

use std::{thread, time::Duration};

use ureq::{Agent, http::Uri};

use ingero_format::names::is_of_engine;

use super::{Outlet, Readings, parse};
use crate::{clock, journal::Failing};

/// Longest time for one page, from the connection to its last byte.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Largest page.
const MAX_PAGE_BYTES: u64 = 4 << 20;
/// Most series kept of one page: three histograms of 30 buckets for each of ten models are 960.
const MAX_SERIES: usize = 1024;

pub(super) fn run(pages: &[String], interval: Duration, outlet: &Outlet) {
    let agent = agent();
    let mut failing = Failing::default();
    loop {
        for page in pages {
            let mut readings = Readings::default();
            let read = fetch(&agent, page);
            readings.add("up", &[("instance", &instance(page))], if read.is_ok() { 1.0 } else { 0.0 });
            match read {
                Ok(text) => {
                    failing.works(page, "can be read again");
                    keep(&text, &instance(page), &mut readings);
                }
                Err(e) => {
                    failing.fails(page, &format!("{e}; check [samples] metrics; it is tried again"));
                }
            }
            if !outlet.send(clock::boot_ns(), readings) {
                return;
            }
        }
        thread::sleep(interval);
    }
}

// A page that sends elsewhere is not followed, and no proxy of the environment is asked.
pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("ingero-recorder/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

pub(crate) fn fetch(agent: &Agent, page: &str) -> Result<String, ureq::Error> {
    let mut response = agent.get(page).header("Accept", "text/plain").call()?;
    if response.status() != 200 {
        return Err(ureq::Error::StatusCode(response.status().as_u16()));
    }
    response.body_mut().with_config().limit(MAX_PAGE_BYTES).lossy_utf8(true).read_to_string()
}

// Host and port, as monitoring systems call it.
pub(crate) fn instance(page: &str) -> String {
    page.parse::<Uri>().ok().and_then(|uri| Some(uri.authority()?.as_str().to_owned())).unwrap_or_default()
}

fn keep(page: &str, instance: &str, readings: &mut Readings) {
    for metric in parse(page).filter(|m| is_of_engine(m.name)).take(MAX_SERIES) {
        let own = metric.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let labels: Vec<(&str, &str)> =
            own.filter(|(name, _)| *name != "instance").chain([("instance", instance)]).collect();
        readings.add(metric.name, &labels, metric.value);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        time::Instant,
    };

    use super::*;

    /// Answers one request with some bytes; gives the page's address.
    fn serve(answer: impl FnOnce(&mut std::net::TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            answer(&mut stream);
        });
        format!("http://{address}/metrics")
    }

    #[test]
    fn what_is_kept_of_a_page_has_the_engines_names_and_says_which_engine() {
        let page = concat!(
            "vllm:num_requests_running{engine=\"0\"} 3\n",
            "vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} 7\n",
            "vllm:time_to_first_token_seconds_count 9\n",
            "vllm:request_success_total 1\n",
            "python_gc_objects_collected_total 1\n",
        );
        let url = serve(move |stream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len()).unwrap();
        });
        let text = fetch(&agent(), &url).unwrap();
        let mut readings = Readings::default();
        keep(&text, &instance(&url), &mut readings);
        let host = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let expected = [
            (format!("vllm:num_requests_running{{engine=\"0\",instance=\"{host}\"}}"), 3.0),
            (format!("vllm:time_to_first_token_seconds_bucket{{le=\"0.1\",instance=\"{host}\"}}"), 7.0),
            (format!("vllm:time_to_first_token_seconds_count{{instance=\"{host}\"}}"), 9.0),
        ];
        assert_eq!(readings.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_page_that_comes_in_chunks_is_read() {
        let url = serve(|stream| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(stream, "{head}6\r\nload 1\r\n2\r\n2\n\r\n0\r\n\r\n").unwrap();
        });
        assert_eq!(fetch(&agent(), &url).unwrap(), "load 12\n");
    }

    #[test]
    fn a_server_that_never_answers_or_never_ends_costs_half_a_second() {
        for head in ["", "HTTP/1.1 200 OK\r\n\r\nload "] {
            let url = serve(move |stream| {
                let _ = stream.write_all(head.as_bytes());
                thread::sleep(Duration::from_secs(20));
            });
            let begun = Instant::now();
            assert!(fetch(&agent(), &url).is_err());
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_page_without_end_a_refusal_and_a_page_elsewhere_are_errors() {
        let endless = serve(|stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
        });
        assert!(fetch(&agent(), &endless).is_err());
        let absent =
            serve(|stream| stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").unwrap());
        assert!(fetch(&agent(), &absent).is_err());
        let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let moved = serve(move |stream| stream.write_all(moved.as_bytes()).unwrap());
        assert!(fetch(&agent(), &moved).is_err());
        assert!(fetch(&agent(), "http://127.0.0.1:1/metrics").is_err());
    }

    #[test]
    fn of_a_page_with_too_many_series_the_first_are_kept() {
        let page: String =
            (0..5000).map(|i| format!("vllm:num_requests_running{{engine=\"{i}\"}} 1\n")).collect();
        let mut readings = Readings::default();
        keep(&page, "a:1", &mut readings);
        assert_eq!(readings.len(), MAX_SERIES);
    }
}
