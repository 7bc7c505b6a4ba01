//! Names, each written once and no longer than a page can show.

use foldhash::HashMap;

use crate::table::shortened_to;

/// Characters of a name that are shown; the middle of a longer one is left out.
const MAX_CHARS: usize = 240;

/// A list of names in the order in which they were met.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<String>,
    places: HashMap<String, u32>,
}

impl Names {
    /// The place of a name.
    pub fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.list.push(shortened(name));
        self.places.insert(name.to_owned(), place);
        place
    }

    /// The list.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        self.list
    }

    /// The name at a place.
    #[must_use]
    pub fn name(&self, place: u32) -> &str {
        self.list.get(place as usize).map_or("", String::as_str)
    }
}

/// A name without its middle if it is too long.
#[must_use]
pub fn shortened(name: &str) -> String {
    shortened_to(MAX_CHARS, name)
}

/// The names that a page uses, with places of their own.
#[derive(Debug)]
pub struct Used<'a> {
    all: &'a Names,
    names: Names,
}

impl<'a> Used<'a> {
    /// None yet.
    #[must_use]
    pub fn of(all: &'a Names) -> Self {
        Self { all, names: Names::default() }
    }

    /// The place, among those used, of the name at `place` of all names.
    pub fn place(&mut self, place: u32) -> i64 {
        i64::from(self.names.place(self.all.name(place)))
    }

    /// The list.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        self.names.into_list()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_place_and_only_its_middle_goes() {
        let mut names = Names::default();
        assert_eq!((names.place("a"), names.place("b"), names.place("a")), (0, 1, 0));
        let long = format!("begin{}end", "é".repeat(5000));
        let place = names.place(&long);
        let shown = names.name(place);
        assert!(shown.starts_with("begin") && shown.ends_with("end"));
        assert_eq!(shown.chars().count(), MAX_CHARS);
        let mut used = Used::of(&names);
        assert_eq!((used.place(1), used.place(0), used.place(1)), (0, 1, 0));
        assert_eq!(used.into_list(), ["b", "a"]);
    }
}
