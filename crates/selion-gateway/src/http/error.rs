//! How a refusal looks: a status, `{"error": text}`, and for statuses of which the stock client shows only that, the text
//! as the reason phrase too.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::ext::ReasonPhrase;
use serde_json::json;

use crate::cluster::manager::ManagerError;

/// A refusal.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    text: String,
    challenge: Option<&'static str>,
}

/// What the framework says is short.
const TEXT_BYTES_MAX: usize = 4096;
/// Longer ones would not be read.
const PHRASE_BYTES_MAX: usize = 160;

impl ApiError {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> ApiError {
        ApiError { status, text: text.into(), challenge: None }
    }

    pub(super) fn invalid(text: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }

    pub(super) fn forbidden() -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "this cluster belongs to somebody else")
    }

    pub(super) fn unknown(name: &str) -> ApiError {
        ApiError::from(ManagerError::Unknown(name.to_owned()))
    }

    /// 401, with what to show instead.
    pub(super) fn unauthorized(challenge: &'static str) -> ApiError {
        let text = "credentials are missing, wrong or expired";
        ApiError { challenge: Some(challenge), ..ApiError::new(StatusCode::UNAUTHORIZED, text) }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<ManagerError> for ApiError {
    fn from(error: ManagerError) -> ApiError {
        let status = match error {
            ManagerError::Unknown(_) => StatusCode::NOT_FOUND,
            ManagerError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ManagerError::Conflict(_) => StatusCode::CONFLICT,
            ManagerError::Draining => StatusCode::SERVICE_UNAVAILABLE,
            ManagerError::Store(ref why) => {
                tracing::error!(%why, "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        ApiError::new(status, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.text}))).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        let shows_text = matches!(self.status.as_u16(), 401 | 404 | 409 | 422 | 500);
        if !shows_text {
            let phrase: String = self.text.chars().filter(|c| matches!(c, ' '..='~')).take(PHRASE_BYTES_MAX).collect();
            if let Ok(phrase) = ReasonPhrase::try_from(phrase) {
                response.extensions_mut().insert(phrase);
            }
        }
        response
    }
}

/// A refusal that came as text, as one of ours.
pub(super) async fn of_text(response: Response) -> Response {
    let status = response.status();
    let text = axum::body::to_bytes(response.into_body(), TEXT_BYTES_MAX).await.unwrap_or_default();
    ApiError::new(status, String::from_utf8_lossy(&text)).into_response()
}

pub(super) async fn no_route() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing here")
}

pub(super) async fn no_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address")
}
