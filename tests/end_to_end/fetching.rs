//! Inputs are fetched before the job begins: from servers, from the Hugging Face Hub, from the spec itself.

mod hub;
mod inputs;
