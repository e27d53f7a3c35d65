//! What the processes of a run use of the machine.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the processes of a run use of the machine, together: what they have used since the run started its job, and
/// what they hold now.
///
/// What cannot be measured is `None`, and left out in JSON. The totals never go down from one reading of a run to the
/// next.
///
/// ```
/// use chutes::data::Json;
/// use chutes::outcome::Usage;
///
/// let text = r#"{"cpu_seconds":1.5,"memory_bytes":4096,"peak_memory_bytes":8192,"processes":2}"#;
/// let usage: Usage = Json::parse(text)?.to()?;
/// assert_eq!(usage.cpu.as_millis(), 1_500);
/// assert_eq!((usage.memory, usage.read), (Some(4_096), None));
/// assert_eq!(Json::from_value(&usage)?.as_str(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The CPU time so far, of all processors together, that of processes which have ended included. In JSON
    /// `cpu_seconds`.
    #[serde(rename = "cpu_seconds", with = "crate::seconds")]
    #[schemars(with = "f64")]
    pub cpu: Duration,
    /// The memory in use now, in bytes, without file caches that the kernel drops when memory is short. In JSON
    /// `memory_bytes`.
    #[serde(rename = "memory_bytes", default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The most memory so far, in bytes. Where the kernel counts it, file caches are included; elsewhere it is the
    /// most memory in use that was read. In JSON `peak_memory_bytes`.
    #[serde(rename = "peak_memory_bytes", default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The number of processes now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// What was read from storage so far, in bytes: what came from a cache, a pipe or the network is not in it. In
    /// JSON `read_bytes`.
    #[serde(rename = "read_bytes", default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// What was written to storage so far, in bytes. In JSON `written_bytes`.
    #[serde(rename = "written_bytes", default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
}

impl Usage {
    /// This reading, with what an earlier one of the same run knows: no total goes down or becomes unknown, and the
    /// peak is at least the memory in use in both.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chutes::outcome::Usage;
    ///
    /// let cpu = Duration::from_secs(5);
    /// let first = Usage { cpu, memory: Some(700), read: Some(10), ..Usage::default() };
    /// let second = Usage { memory: Some(300), ..Usage::default() }.after(first);
    /// assert_eq!((second.cpu, second.read), (cpu, Some(10)));
    /// assert_eq!((second.memory, second.peak_memory), (Some(300), Some(700)));
    /// ```
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        let memory = self.memory.max(earlier.memory);
        Self {
            cpu: self.cpu.max(earlier.cpu),
            peak_memory: self.peak_memory.max(earlier.peak_memory).max(memory),
            read: self.read.max(earlier.read),
            written: self.written.max(earlier.written),
            ..self
        }
    }

    /// The totals and the peak, as they stay when nothing runs any more: without the memory and the processes of now.
    #[must_use]
    pub fn totals(self) -> Self {
        Self { memory: None, processes: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Usage {
        Usage {
            cpu: Duration::from_micros(1_500_250),
            memory: Some(5),
            peak_memory: Some(7),
            processes: Some(2),
            read: Some(11),
            written: Some(13),
        }
    }

    #[test]
    fn json_form() {
        let check = |usage: Usage, expected: &str| {
            let text = serde_json::to_string(&usage).unwrap();
            assert_eq!(text, expected);
            assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), usage);
        };
        check(
            all(),
            concat!(
                r#"{"cpu_seconds":1.50025,"memory_bytes":5,"peak_memory_bytes":7,"processes":2,"#,
                r#""read_bytes":11,"written_bytes":13}"#,
            ),
        );
        check(Usage { cpu: Duration::from_secs(3), ..Usage::default() }, r#"{"cpu_seconds":3}"#);
        check(
            all().totals(),
            r#"{"cpu_seconds":1.50025,"peak_memory_bytes":7,"read_bytes":11,"written_bytes":13}"#,
        );
        let unknown = r#"{"cpu_seconds":0,"memory_bytes":null,"processes":null}"#;
        assert_eq!(serde_json::from_str::<Usage>(unknown).unwrap(), Usage::default());
        for bad in [r"{}", r#"{"cpu_seconds":-1}"#, r#"{"cpu_seconds":1,"read_bytes":-1}"#] {
            assert!(serde_json::from_str::<Usage>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn readings_one_after_the_other() {
        let check = |later: Usage, expected: Usage| assert_eq!(later.after(all()), expected);
        // Nothing is known of now.
        check(Usage::default(), all().totals());
        let least = Usage {
            cpu: Duration::from_secs(1),
            memory: Some(1),
            peak_memory: Some(1),
            processes: Some(0),
            read: Some(1),
            written: Some(1),
        };
        check(least, Usage { memory: Some(1), processes: Some(0), ..all() });
        let most = Usage {
            cpu: Duration::from_secs(20),
            memory: Some(20),
            peak_memory: None,
            processes: Some(20),
            read: Some(20),
            written: Some(20),
        };
        check(most, Usage { peak_memory: Some(20), ..most });
        let before_peak = Usage { memory: Some(30), peak_memory: None, ..all() };
        assert_eq!(all().after(before_peak), Usage { peak_memory: Some(30), ..all() });
        assert_eq!(all().after(Usage::default()), all());
    }
}
