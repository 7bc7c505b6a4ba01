//! How a closed window becomes a bundle.

use std::time::Instant;

use ingero_format::{
    bundle::manifest_file,
    control::Snapshot,
    manifest::{Manifest, VERSION},
    units::show_ns,
};

use super::{
    bundle,
    freezer::{Freezer, REMEDY},
    host,
    links::FrozenSet,
    snapshots::reasons,
    symbols,
    windows::Window,
};
use crate::{
    Error, Result, clock,
    config::Config,
    error::IoContext,
    journal,
    lock::lock,
    ring::{SegmentInfo, earliest_start, evict_oldest},
};

/// Space kept for MANIFEST, symbols and index, bytes.
const BUNDLE_OVERHEAD: u64 = 8 << 20;
/// Space kept for the MANIFEST of a frozen set, bytes.
const MANIFEST_ROOM: u64 = 1 << 20;

impl Freezer {
    /// Writes a window's bundle, lets go of what it held, and answers everybody who asked for it.
    pub(super) fn finish(&self, mut window: Window) {
        let config = lock(&self.config).clone();
        let mut manifest = self.manifest(&window, &config);
        manifest.id.clone_from(&window.id);
        manifest.anchor = window.anchor;
        if window.unlisted > 0 {
            manifest
                .notes
                .push(format!("{} further triggers joined; their reasons are not kept", window.unlisted));
        }
        manifest.notes.extend(window.cut_short());
        let outcome = self.deliver(&window.set, manifest, &window, &config).map_err(|e| e.to_string());
        self.table.lock().reserved = 0;
        window.set.remove(&self.table);
        let triggered = window.joined.iter().any(|r| !r.person);
        if let Some(snapshot) = outcome.as_ref().ok().filter(|_| triggered) {
            self.joint.took(clock::boot_ns(), snapshot.bytes);
        }
        self.answer(std::mem::take(&mut window.joined), window.unlisted, &outcome);
        crate::memory::give_back();
    }

    // Makes the set durable, then writes the bundle.
    fn deliver(
        &self,
        set: &FrozenSet,
        mut manifest: Manifest,
        window: &Window,
        config: &Config,
    ) -> Result<Snapshot> {
        let segments = set.segments.iter().map(|s| s.bytes).sum::<u64>();
        let beside = set.head.len() as u64 + MANIFEST_ROOM;
        let size = segments + set.head.len() as u64 + BUNDLE_OVERHEAD;
        self.reserve(config, size + beside, &mut manifest.notes)?;
        let path = self.snapshots.path(&manifest.id).ok_or_else(|| Error::Other("no id".into()))?;
        let file = bundle::claim(&*self.storage, &path, size).at("cannot make the bundle", &path, REMEDY)?;
        self.table.lock().reserved = beside;
        self.note_window(set, &mut manifest, window.reached);
        let syncing = Instant::now();
        let bytes = manifest.to_bytes()?;
        let durable = set.make_durable(&self.table, &manifest_file(&manifest)?).at(
            "cannot make durable",
            &set.directory,
            REMEDY,
        );
        self.table.lock().reserved = 0;
        let durable_after_ns = window.frozen_after_ns + syncing.elapsed().as_nanos() as u64;
        let (symbols, user) = symbols::symbols(set, manifest.host.boot_id, &self.modules);
        let parts =
            bundle::Parts { manifest: &bytes, open: &window.open, symbols: &symbols, user_symbols: &user };
        let written = durable.and_then(|()| {
            bundle::write(&path, file, set, &parts).at("cannot write the bundle", &path, REMEDY)
        });
        let bytes = written.inspect_err(|_| {
            let _ = self.storage.remove(&path.with_extension("new"));
        })?;
        Ok(Snapshot {
            path: path.to_string_lossy().into_owned(),
            from_ts_ns: clock::to_real(&manifest.anchor, manifest.from_ns),
            to_ts_ns: clock::to_real(&manifest.anchor, manifest.to_ns),
            frozen_after_ns: window.frozen_after_ns,
            durable_after_ns,
            bytes,
            reason: reasons(&manifest),
            id: manifest.id,
            notes: manifest.notes,
            pinned: false,
        })
    }

    fn manifest(&self, window: &Window, config: &Config) -> Manifest {
        let joined = &window.joined;
        Manifest {
            version: VERSION,
            triggers: joined.iter().map(|r| r.trigger.clone()).collect(),
            asked_last_ns: joined.iter().map(|r| r.last_ns).max().unwrap_or(0),
            asked_after_ns: joined.iter().map(|r| r.after_ns).max().unwrap_or(0),
            from_ns: window.from_ns,
            to_ns: window.to_ns,
            host: host::describe(),
            ring_id: self.ring_id,
            segments: window.set.segments.clone(),
            processes: self.registry.processes(),
            probes: self.registry.libraries(),
            config_digest: config.digest.clone(),
            recorder_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Manifest::default()
        }
    }

    // The bundle's bytes are claimed before they are written. Segments that the set holds are not evicted for
    // it: that would free nothing.
    fn reserve(&self, config: &Config, size: u64, notes: &mut Vec<String>) -> Result<()> {
        if size > config.snapshot.max_bytes.0 {
            return Err(Error::Other(format!(
                "the window needs {size} bytes, [snapshot] max_bytes allows {}; ask for a shorter --last or raise it",
                config.snapshot.max_bytes.0
            )));
        }
        for id in self.snapshots.make_room(config.snapshot.max_bytes.0, size) {
            journal::warning(&format!("snapshot {id} removed to make room ([snapshot] max_bytes)"));
            notes.push(format!("older snapshot {id} was removed to make room"));
        }
        let (max_bytes, keep_free) = (config.ring.max_bytes.0, config.ring.keep_free.0);
        let fits = || {
            self.storage.allocated(&self.layout.state).saturating_add(size) <= max_bytes
                && self.storage.free(&self.layout.state) >= size.saturating_add(keep_free)
        };
        let mut segments = self.table.lock();
        // Nor for those of other windows that are open.
        let held = segments.pinned.iter().map(|pin| pin.first_seq).min().unwrap_or(u64::MAX);
        while !fits() && segments.list.front().is_some_and(|s| s.seq < held) {
            evict_oldest(&*self.storage, &mut segments);
        }
        if !fits() {
            return Err(Error::Other(format!(
                "no room for a bundle of {size} bytes in [ring] max_bytes = {max_bytes} with keep_free = {keep_free}; remove snapshots with `ingeroctl rm`, or raise [ring] max_bytes"
            )));
        }
        segments.reserved = size;
        Ok(())
    }

    // Of a segment of an earlier run the table knows a bound only; the window must begin where a row does.
    fn first_ns(&self, segment: &SegmentInfo) -> u64 {
        if !segment.estimated {
            return segment.first_ns;
        }
        let view = self.storage.open(&segment.path).and_then(|f| f.view());
        view.ok().and_then(|v| earliest_start((*v).as_ref())).unwrap_or(u64::MAX)
    }

    // A window longer than the past held is granted as far as it goes, and says so. Time in which nothing
    // happened is held too: the past begins with the recorder, or with the oldest row once rows were evicted.
    fn note_window(&self, set: &FrozenSet, manifest: &mut Manifest, reached: bool) {
        let linked = |info: &&SegmentInfo| set.segments.iter().any(|s| s.seq == info.seq);
        let (held, evicted): (Vec<SegmentInfo>, u64) = {
            let segments = self.table.lock();
            (segments.list.iter().filter(linked).cloned().collect(), segments.evicted_events)
        };
        // The first segment that has rows: the others are newer, and decoding one takes tens of milliseconds.
        let oldest_row = held.iter().map(|info| self.first_ns(info)).find(|first_ns| *first_ns < u64::MAX);
        let started = (evicted == 0).then_some(self.started_ns);
        let begun = oldest_row.into_iter().chain(started).min().unwrap_or(manifest.to_ns).min(manifest.to_ns);
        if begun > manifest.from_ns {
            let missing = show_ns(begun - manifest.from_ns);
            manifest
                .notes
                .push(format!("the recorder holds nothing for the first {missing} of the window asked for"));
            manifest.from_ns = begun;
        }
        manifest.notes.extend(self.notes.iter().cloned());
        if !reached {
            manifest
                .notes
                .push("the newest events had not all been drained when the window was closed".into());
        }
    }
}
