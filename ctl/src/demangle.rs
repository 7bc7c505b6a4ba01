//! Names as people write them, from names as compilers do: C++ (Itanium) and Rust.
//!
//! The names come from files of others. A short one may stand for a text without end, so what is made of it is
//! bounded; a name that is none, or was cut, stays as it is.

use std::{borrow::Cow, fmt};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Longest name that is tried, bytes; what the recorder keeps of a kernel's name is a quarter of it.
const MAX_RAW_BYTES: usize = 1024;
/// Longest text shown in its place.
const MAX_SHOWN_BYTES: usize = 4096;
/// Nesting that is followed: deep enough for template libraries, far from the end of the stack.
const DEPTH: u32 = 96;

/// The readable form of a symbol, or the symbol.
#[must_use]
pub fn demangled(name: &str) -> Cow<'_, str> {
    let shown = if name.len() > MAX_RAW_BYTES { None } else { rust(name).or_else(|| cpp(name)) };
    shown.map_or(Cow::Borrowed(name), Cow::Owned)
}

// Without the hash at the end. Tried first: the older kind of Rust's names is a C++ name too.
fn rust(name: &str) -> Option<String> {
    let mut out = Bounded(String::new());
    let parsed = rustc_demangle::try_demangle(name).ok()?;
    fmt::write(&mut out, format_args!("{parsed:#}")).ok()?;
    Some(out.0)
}

fn cpp(name: &str) -> Option<String> {
    if !name.starts_with("_Z") && !name.starts_with("__Z") {
        return None;
    }
    let symbol = Symbol::new_with_options(name, &ParseOptions::default().recursion_limit(DEPTH)).ok()?;
    let mut out = Bounded(String::new());
    symbol.structured_demangle(&mut out, &DemangleOptions::new().recursion_limit(DEPTH)).ok()?;
    (!out.0.is_empty()).then_some(out.0)
}

/// Refuses to grow beyond [`MAX_SHOWN_BYTES`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_SHOWN_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_both_languages_are_made_readable_and_others_stay() {
        for (raw, shown) in [
            ("_Z4gemmILi128EEvPKfS1_Pf", "void gemm<128>(float const*, float const*, float*)"),
            (
                "_ZN2at6native12add_kernel_tERNS_14TensorIteratorE",
                "at::native::add_kernel_t(at::TensorIterator&)",
            ),
            ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("cuLaunchKernel", "cuLaunchKernel"),
            ("sm90_xmma_gemm_f16f16_f16f32_f32_tn_n", "sm90_xmma_gemm_f16f16_f16f32_f32_tn_n"),
            ("_Z", "_Z"),
            ("", ""),
        ] {
            assert_eq!(demangled(raw), shown, "{raw}");
        }
    }

    #[test]
    fn a_name_that_was_cut_stays_as_it_is() {
        let whole = "_ZN2at6native12add_kernel_tERNS_14TensorIteratorE";
        let cut = &whole[..whole.len() - 9];
        assert_eq!(demangled(cut), cut);
    }

    #[test]
    fn a_short_name_for_a_text_without_end_stays_as_it_is() {
        // Each parameter's type is a pair of the one before, by substitution: twice as long.
        let name = |parameters: usize| {
            let ids = ('0'..='9').chain('A'..='Z').take(parameters);
            format!("_Z1f1aIiiE{}", ids.map(|id| format!("S_IS{id}_S{id}_E")).collect::<String>())
        };
        assert_eq!(demangled(&name(1)), "f(a<int, int>, a<a<int, int>, a<int, int> >)");
        assert_eq!(demangled(&name(36)), name(36));
        let deep = format!("_Z1f{}i", "P".repeat(900));
        assert!(demangled(&deep).len() <= MAX_SHOWN_BYTES);
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic_or_grow(name in "(_Z|_R|__Z)?[A-Za-z0-9_.$]{0,80}|.{0,60}") {
            prop_assert!(demangled(&name).len() <= MAX_SHOWN_BYTES);
        }
    }
}
