//! The lines of values in a text of JSON.

use std::collections::BTreeMap;

/// The line, from 1, that the value at each of `pointers` begins on. `json` is well-formed.
pub(super) fn lines_of<'p>(json: &[u8], pointers: impl Iterator<Item = &'p str>) -> BTreeMap<&'p str, usize> {
    let mut wanted: Vec<&str> = pointers.collect();
    wanted.sort_unstable();
    let mut scanner = Scanner { json, at: 0, line: 1, pointer: String::new(), wanted, found: BTreeMap::new() };
    scanner.value();
    scanner.found
}

/// A name as a segment of a JSON pointer.
pub(super) fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Scanner<'j, 'p> {
    json: &'j [u8],
    at: usize,
    line: usize,
    pointer: String,
    wanted: Vec<&'p str>,
    found: BTreeMap<&'p str, usize>,
}

impl Scanner<'_, '_> {
    fn peek(&mut self) -> u8 {
        while let Some(byte) = self.json.get(self.at).filter(|byte| byte.is_ascii_whitespace()) {
            self.line += usize::from(*byte == b'\n');
            self.at += 1;
        }
        self.json.get(self.at).copied().unwrap_or_default()
    }

    fn value(&mut self) {
        let first = self.peek();
        if let Ok(index) = self.wanted.binary_search(&self.pointer.as_str()) {
            self.found.insert(self.wanted[index], self.line);
        }
        match first {
            b'{' => self.members(b'}'),
            b'[' => self.members(b']'),
            b'"' => drop(self.text()),
            _ => self.scalar(),
        }
    }

    /// The members of an object, or the items of a list.
    fn members(&mut self, end: u8) {
        self.at += 1;
        let length = self.pointer.len();
        let mut index = 0_usize;
        while self.peek() != end && self.at < self.json.len() {
            self.pointer.push('/');
            if end == b'}' {
                let name = self.text();
                self.pointer += &pointer_segment(&name);
                self.peek();
                self.at += 1;
            } else {
                self.pointer += &index.to_string();
            }
            self.value();
            self.pointer.truncate(length);
            index += 1;
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// A text; what is escaped in it stays so, which no name of a wanted pointer has.
    fn text(&mut self) -> String {
        let begin = self.at + 1;
        self.at = begin;
        while let Some(byte) = self.json.get(self.at).filter(|byte| **byte != b'"') {
            self.at += if *byte == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        String::from_utf8_lossy(self.json.get(begin..self.at - 1).unwrap_or_default()).into_owned()
    }

    fn scalar(&mut self) {
        while self.json.get(self.at).is_some_and(|byte| !b",]}".contains(byte) && !byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pointer_has_the_line_that_its_value_begins_on() {
        let json = b"{\n \"a\": [1,\n  {\"b/c\": \"\\\"x\\\"\",\n   \"d\": {}}],\n \"e\": true\n}\n";
        let wanted = ["", "/a", "/a/0", "/a/1", "/a/1/b~1c", "/a/1/d", "/e", "/none"];
        let found = lines_of(json, wanted.into_iter());
        assert_eq!(
            wanted.map(|pointer| found.get(pointer).copied()),
            [1, 2, 2, 3, 3, 4, 5, 0].map(|line| (line > 0).then_some(line))
        );
    }
}
