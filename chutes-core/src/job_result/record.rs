//! The JSON form of a result: bytes as base64, and answers of servers as JSON in texts.

pub(super) mod artifacts {
    //! Files as base64.

    use std::collections::BTreeMap;

    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(
        artifacts: &BTreeMap<String, Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(artifacts.iter().map(|(path, bytes)| (path, STANDARD.encode(bytes))))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let decode = |(path, text): (String, String)| match STANDARD.decode(text) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(D::Error::custom(format!("an artifact is not base64: {error}"))),
        };
        texts.into_iter().map(decode).collect()
    }
}

pub(super) mod uploads {
    //! Answers as JSON in texts.

    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    use super::super::UploadResult;

    pub(in super::super) fn serialize<S: Serializer>(
        results: &BTreeMap<String, UploadResult>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let texts = results.iter().map(|(file, result)| {
            let text = serde_json::to_string(result).map_err(ser::Error::custom)?;
            Ok((file, text))
        });
        to.collect_map(texts.collect::<Result<Vec<_>, S::Error>>()?)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, UploadResult>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let read = |(file, text): (String, String)| {
            Ok((file, serde_json::from_str(&text).map_err(de::Error::custom)?))
        };
        texts.into_iter().map(read).collect()
    }
}
