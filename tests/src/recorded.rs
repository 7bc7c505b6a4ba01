//! Small rings and bundles written with the format crate, and what `ingeroctl` makes of them.

use std::{fs, process::Command};

use ingero_format::{
    Row,
    bundle::{self, MemberKind},
    columns::Compressor,
    head::{Geometry, PUBLISHED_OFFSET, slot_header},
    identity::Identity,
    manifest::Manifest,
    ops::{self, Source},
    segment::{Anchor, Builder, Header, file_name},
    state::State,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::lab::programs;

/// A recording to be made. Rows stand in frames of their sources, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The window; `None` for a ring without one.
    pub manifest: Option<Manifest>,
    /// Segments: header, and rows of each frame.
    pub segments: Vec<(Header, Vec<Vec<Row>>)>,
    /// Rows in a slot of the head, of the last segment's epoch.
    pub head: Vec<Row>,
    /// Rows that had not ended.
    pub open: Vec<Row>,
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// Start (Unix) and duration of every event, by start.
    pub events: Vec<(i64, i64)>,
    /// What the reader says is damaged.
    pub damage: Vec<String>,
    /// Unix time minus boottime.
    pub offset_ns: i64,
    /// Losses: begin, end.
    pub losses: Vec<(i64, i64)>,
    /// What `ingeroctl verify` says of the same.
    pub verified: bool,
}

fn segment(header: &Header, frames: &[Vec<Row>]) -> Vec<u8> {
    let (mut builder, mut bytes) = Builder::begin(*header, u64::MAX);
    bytes.extend(builder.state(&State::default()).unwrap());
    let mut compressor = Compressor::new().unwrap();
    for rows in frames {
        let source: Source = ops::source(rows[0].op);
        bytes.extend(builder.events(&mut rows.clone(), source, 0, 0, &mut compressor).unwrap().unwrap());
    }
    bytes
}

impl Recording {
    fn head(&self) -> Vec<u8> {
        let geometry = Geometry { slots: 1, slot_bytes: 4096 };
        let mut bytes = geometry.to_bytes();
        let epoch = self.segments.last().map_or(0, |(header, _)| header.epoch);
        let mut slot = slot_header(1, epoch, ops::source(self.head[0].op)).to_vec();
        slot[PUBLISHED_OFFSET] = self.head.len() as u8;
        self.head.iter().for_each(|row| slot.extend(row.to_bytes(1)));
        slot.resize(4096, 0);
        bytes.extend(slot);
        bytes
    }

    fn bundle(&self, manifest: &Manifest) -> Vec<u8> {
        let mut out = bundle::file_header();
        bundle::append_member(&mut out, MemberKind::Manifest, 0, &manifest.to_bytes().unwrap());
        for (header, frames) in &self.segments {
            bundle::append_member(&mut out, MemberKind::Segment, header.seq, &segment(header, frames));
        }
        if !self.head.is_empty() {
            bundle::append_member(&mut out, MemberKind::Head, 0, &self.head());
        }
        let open: Vec<u8> = self.open.iter().flat_map(|row| row.to_bytes(0)).collect();
        bundle::append_member(&mut out, MemberKind::Open, self.open.len() as u64, &open);
        bundle::append_member(&mut out, MemberKind::End, 0, &[]);
        out
    }

    /// Writes it as a bundle, or a ring where it has no window, and reads it back through `ingeroctl`.
    ///
    /// # Errors
    /// Exit code and text of `ingeroctl convert` if it refuses.
    pub fn read(&self) -> Result<Read, (Option<i32>, String)> {
        let folder = tempfile::Builder::new().prefix("ingero-recorded-").tempdir().unwrap();
        let (input, database) = (folder.path().join("in"), folder.path().join("out.db"));
        if let Some(manifest) = &self.manifest {
            fs::write(&input, self.bundle(manifest)).unwrap();
        } else {
            fs::create_dir(&input).unwrap();
            fs::write(input.join("RING"), Identity::default().to_bytes()).unwrap();
            for (header, frames) in &self.segments {
                fs::write(input.join(file_name(header.seq)), segment(header, frames)).unwrap();
            }
            if !self.head.is_empty() {
                fs::write(input.join("head"), self.head()).unwrap();
            }
        }
        let run = |args: &[&std::ffi::OsStr]| {
            Command::new(programs().join("ingeroctl")).args(args).output().unwrap()
        };
        let converted = run(&["convert".as_ref(), input.as_os_str(), "-o".as_ref(), database.as_os_str()]);
        let said = String::from_utf8_lossy(&converted.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        if !converted.status.success() {
            return Err((converted.status.code(), said));
        }
        let verified = run(&["verify".as_ref(), input.as_os_str()]);
        assert!(matches!(verified.status.code(), Some(0 | 3)), "{verified:?}");
        let db = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let pairs = |sql: &str| -> Vec<(i64, i64)> {
            let mut query = db.prepare(sql).unwrap();
            let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let facts: String = db.query_row("SELECT facts FROM node", [], |r| r.get(0)).unwrap();
        let facts: Value = serde_json::from_str(&facts).unwrap();
        let damage = facts["damage"].as_array().unwrap().iter().map(|d| d.as_str().unwrap().to_owned());
        Ok(Read {
            events: pairs(
                "SELECT ts_ns, dur_ns FROM cuda_calls UNION ALL SELECT ts_ns, dur_ns FROM off_cpu
                 UNION ALL SELECT ts_ns, dur_ns FROM host_events ORDER BY 1, 2",
            ),
            damage: damage.collect(),
            offset_ns: facts["clock_offset_ns"].as_i64().unwrap(),
            losses: pairs("SELECT from_ns, to_ns FROM losses ORDER BY 1, 2"),
            verified: verified.status.success(),
        })
    }
}

/// A header of segment `seq` whose clocks read this when it was begun.
#[must_use]
pub fn begun(seq: u64, boot_ns: u64, real_ns: u64) -> Header {
    let created = Anchor { boot_ns, real_ns, uncertainty_ns: 50 };
    Header { seq, salt: 0x71c6 + seq, epoch: 1, created, boot_id: [7; 16], ..Header::default() }
}
