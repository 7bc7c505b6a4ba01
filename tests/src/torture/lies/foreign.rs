//! Files of another kind.

use super::{
    Kind, Lie,
    make::{bundle_with, end, head, manifest, ring, segment_around},
};

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    let manifest = ingero_format::bundle::manifest_file(&manifest()).unwrap();
    let ours: [(&str, Kind, Vec<u8>); 5] = [
        ("segment", Kind::Segment, segment_around(&[])),
        ("head", Kind::Head, head()),
        ("ring", Kind::Ring, ring()),
        ("manifest", Kind::Manifest, manifest),
        ("bundle", Kind::Bundle, bundle_with(&[end()])),
    ];
    let start = |bytes: &[u8]| [bytes, &[0; 8192]].concat();
    let others: [(&str, Vec<u8>); 12] = [
        ("an_empty_file", vec![]),
        ("one_byte", vec![0x89]),
        ("a_text", b"The quick brown fox jumps over the lazy dog.\n".repeat(200)),
        ("a_png", start(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")),
        ("an_elf_program", start(b"\x7fELF\x02\x01\x01\0")),
        ("a_gzip_file", start(b"\x1f\x8b\x08\0")),
        ("a_zip_file", start(b"PK\x03\x04")),
        ("a_zstd_file", start(b"\x28\xb5\x2f\xfd")),
        ("an_sqlite_database", start(b"SQLite format 3\0\x10\0")),
        ("zeros", vec![0; 8192]),
        ("ones", vec![0xff; 8192]),
        ("json", start(b"{\"ok\": true}")),
    ];
    let mut lies = Vec::new();
    for (name, kind, _) in &ours {
        for (what, _, bytes) in ours.iter().filter(|(other, ..)| other != name) {
            // A MANIFEST is a bundle that has no end; a bundle has a manifest.
            let says = match (*what, *name) {
                ("bundle", "manifest") => "",
                ("manifest", "bundle") => "no end",
                _ => "magic",
            };
            lies.push(Lie::new(*kind, format!("a_{what}_as_{name}"), bytes.clone(), says));
        }
        for (what, bytes) in &others {
            let says = if bytes.len() < 8 { "cut short" } else { "magic" };
            lies.push(Lie::new(*kind, format!("{what}_as_{name}"), bytes.clone(), says));
        }
    }
    lies
}
