//! Exported functions of a library that are worth a probe.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
};

use ingero_format::ops::Op;
use object::{
    Architecture, Endianness, Object, ObjectSegment, ObjectSymbol, ReadCache, ReadRef, SymbolKind, elf,
    elf::FileHeader64, read::elf::FileHeader,
};

use super::{LibraryKind, Prologue, operation};
use crate::{Error, limits};

/// Largest piece of a library that is read at once: a crafted header may ask for anything, and a sparse
/// file costs nothing to make. The driver's symbol tables take under 1 MiB.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Called for each kernel when a library with CUDA code is loaded.
const REGISTER: &str = "__cudaRegisterFunction";

/// What this program itself is made for.
const HOST: Architecture =
    if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };

/// A file that refuses large reads.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a ReadCache<File>);

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > MAX_READ_BYTES { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: std::ops::Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

/// One probe site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Exported name (the first of several at one place).
    pub symbol: String,
    /// What it does.
    pub op: &'static Op,
    /// Offset of its first byte in the file, bytes.
    pub offset: u64,
    /// What a probe on it costs.
    pub prologue: Prologue,
}

/// What a library has for us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Functions that have an operation, one for each place in the file.
    pub calls: Vec<Function>,
    /// Where kernels are registered: file offsets of `__cudaRegisterFunction`.
    pub registers: Vec<u64>,
}

/// Looks through an open library.
///
/// # Errors
/// One line if the file is not ELF for this machine or its tables do not hold together.
pub fn functions(file: File, kind: LibraryKind) -> crate::Result<Found> {
    let bad = |e: object::Error| Error::Other(format!("not a readable ELF library: {e}"));
    // Read in pieces, not mapped: a library that is replaced while we look must not raise SIGBUS.
    let cache = ReadCache::new(file);
    let elf = object::File::parse(Bounded(&cache)).map_err(bad)?;
    if elf.architecture() != HOST {
        let other = elf.architecture();
        return Err(Error::Other(format!("a library for {other:?}, which does not run here")));
    }
    // A runtime linked into a program is not exported.
    let inside = (kind == LibraryKind::StaticRuntime).then(|| elf.symbols());
    let symbols = inside.into_iter().flatten().chain(elf.dynamic_symbols()).take(limits::MAX_SYMBOLS);
    let mut found: BTreeMap<u64, Function> = BTreeMap::new();
    let mut registers = BTreeSet::new();
    for symbol in symbols {
        let callable = symbol.kind() == SymbolKind::Text && !symbol.is_undefined();
        let Some(name) = symbol.name().ok().filter(|_| callable) else { continue };
        if name == REGISTER && kind.is_runtime() {
            registers.extend(locate(&elf, symbol.address()).map(|(offset, _)| offset));
            continue;
        }
        let Some(op) = operation(name, kind) else { continue };
        let Some((offset, code)) = locate(&elf, symbol.address()) else { continue };
        found.entry(offset).or_insert_with(|| Function {
            symbol: name.to_owned(),
            op,
            offset,
            prologue: Prologue::of(&code),
        });
    }
    Ok(Found { calls: found.into_values().collect(), registers: registers.into_iter().collect() })
}

/// True if a file that is no CUDA library has the CUDA runtime linked into it, with its symbols.
#[must_use]
pub fn holds_runtime(file: File) -> bool {
    let cache = ReadCache::new(file);
    let Ok(elf) = object::File::parse(Bounded(&cache)) else { return false };
    let defined = |s: &object::Symbol<'_, '_, Bounded<'_>>| !s.is_undefined() && s.name() == Ok(REGISTER);
    elf.architecture() == HOST && elf.symbols().take(limits::MAX_SYMBOLS).any(|s| defined(&s))
}

/// What a library calls itself (`DT_SONAME`), whatever its file is called. `None` if it does not say, or is
/// no 64-bit ELF file.
#[must_use]
pub fn soname(file: File) -> Option<String> {
    let cache = ReadCache::new(file);
    let data = Bounded(&cache);
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let (entries, link) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, link).ok()?;
    let name = entries.iter().find(|e| e.d_tag.get(endian) == elf::DT_SONAME)?;
    let name = strings.get(u32::try_from(name.d_val.get(endian)).ok()?).ok()?;
    String::from_utf8(name.to_vec()).ok()
}

// File offset and first bytes of an address, by the loadable segment that holds it.
fn locate<'a>(elf: &object::File<'a, Bounded<'a>>, address: u64) -> Option<(u64, Vec<u8>)> {
    let segment =
        elf.segments().find(|s| (s.address()..s.address().saturating_add(s.size())).contains(&address))?;
    let inside = address - segment.address();
    let (file_offset, file_size) = segment.file_range();
    let left = file_size.checked_sub(inside)?.min(16);
    let code = segment.data_range(address, left).ok()??;
    Some((file_offset.checked_add(inside)?, code.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_no_library_is_refused_in_words() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"\x7fELF and then nothing of the kind").unwrap();
        let e = functions(file, LibraryKind::Driver).unwrap_err();
        assert!(e.to_string().contains("not a readable ELF"), "{e}");
    }
}
