// Package oidc lets an OpenID provider vouch for users of the pages, by the authorization code flow with PKCE
// (https://openid.net/specs/openid-connect-core-1_0.html section 3.1, RFC 7636, and the best practice of RFC 9700).
//
// A login goes to the provider and comes back with a code, which the server exchanges for an ID token. Three random values tie the two ends
// together: state, so that an answer is one to a question of this very browser; nonce, so that the token is that of this login;
// and the verifier of PKCE, so that whoever sees the code cannot use it. They travel in a cookie: the server keeps nothing meanwhile, and
// any replica can finish what another began.
//
// The token's groups decide the role, at each login anew. Who is in none of the groups gets none and is refused.
package oidc
