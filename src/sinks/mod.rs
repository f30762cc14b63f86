//! Where events go besides JetStream.

mod redis;

pub use self::redis::RedisSink;
