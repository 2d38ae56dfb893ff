//! Names with a rule: they can only be built valid.
//!
//! The kernel takes interface names with escape codes, `*` or `-h` in them, and expands `%d`; a namespace name
//! with `../` leaves its folder. None of that gets past these types.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:path, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name, if it keeps the rule; else what is wrong with it.
            pub fn new(text: &str) -> Result<Self, String> {
                $check(text)?;
                Ok($name(text.to_string()))
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                $name::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

name_type!(
    /// A lab's name: `[a-z][a-z0-9-]{0,31}`. It becomes a folder under `/run/netlab`.
    LabName, check_lab, "^[a-z][a-z0-9-]{0,31}$"
);
name_type!(
    /// A node's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`.
    NodeName, check_node, "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
);
name_type!(
    /// An interface's name: at most 15 bytes (the kernel's IFNAMSIZ less its NUL) of `[A-Za-z0-9._-]`.
    IfName, check_interface, "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$"
);

fn check_lab(text: &str) -> Result<(), String> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    rule("lab name", text, 32, starts, "a small letter", |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn check_node(text: &str) -> Result<(), String> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    rule("node name", text, 63, starts, "a letter or digit", usual)
}

fn check_interface(text: &str) -> Result<(), String> {
    if matches!(text, "all" | "default") {
        return Err(format!("`{text}` is reserved: sysctls use it for every interface"));
    }
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    rule("interface name", text, 15, starts, "a letter or digit", usual)
}

fn usual(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn rule(
    what: &str,
    text: &str,
    longest: usize,
    starts: bool,
    start_rule: &str,
    allowed: fn(char) -> bool,
) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
        return Err(format!("character `{}` not allowed in {what}", bad.escape_default()));
    }
    if !starts {
        return Err(format!("{what} must start with {start_rule}"));
    }
    if text.len() > longest {
        return Err(format!("{what} has {} characters; at most {longest} are allowed", text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_would_swallow_is_refused() {
        for bad in ["", ".", "..", "-h", "a/b", "a b", "a%d", "a\u{1b}[31m", "é", "all", "default", "sixteen-chars-xx"]
        {
            assert!(IfName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["lo", "eth0", "vxlan.calico", "v-net-0", "cali43cf359eec9", "0a"] {
            assert!(IfName::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_lab_name_cannot_leave_its_folder() {
        for bad in ["../x", "a/b", "A", "1a", "a.b", ""] {
            assert!(LabName::new(bad).is_err(), "{bad:?}");
        }
        assert!(LabName::new("bridge-lab").is_ok());
    }
}
