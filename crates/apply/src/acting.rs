//! Writing in the name of somebody who may do less.

use http::{HeaderValue, Request};
use kube::Client;
use kube::client::Body;

/// The same connection, in the name of somebody else (Kubernetes' user impersonation). What is wrong with a name that
/// cannot be one, is the error.
pub fn acting_as(client: &Client, user: &str) -> Result<Client, String> {
    let through = client.clone();
    let user =
        HeaderValue::from_str(user).map_err(|_| format!("\"{user}\" is not the name of an account"))?;
    let service = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert("impersonate-user", user.clone());
        let through = through.clone();
        async move { through.send(request).await }
    });
    Ok(Client::new(service, client.default_namespace()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use serde_json::json;

    /// Answers with what the request says of its caller.
    fn echo() -> Client {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let user = request.headers().get("impersonate-user");
            let user = user.and_then(|user| user.to_str().ok()).unwrap_or_default();
            let body = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "echo"}, "data": {"user": user},
            });
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(body.to_string().into_bytes())))
        });
        Client::new(service, "shop-dev")
    }

    #[tokio::test]
    async fn requests_go_out_in_the_accounts_name() {
        let user = |client: Client| async move {
            let api: Api<ConfigMap> = Api::default_namespaced(client);
            let echoed = api.get("echo").await.unwrap();
            echoed.data.unwrap_or_default()["user"].clone()
        };
        let account = "system:serviceaccount:shop-dev:platform-deployer";
        assert_eq!(user(echo()).await, "");
        assert_eq!(user(acting_as(&echo(), account).unwrap()).await, account);
        assert!(acting_as(&echo(), "a\nb").is_err());
    }
}
