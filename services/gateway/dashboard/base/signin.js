// Who is signed in: by the key, or by the one-time link that a terminal printed.
import { signal } from "@preact/signals";
import { ApiError, ask, holdKey, signInTrouble } from "./api.js";

/** @typedef {{key_id: string, key_name: string, scope: string, expires_at: string | null, version: string}} SignedIn */

/** Who is signed in; null: nobody. @type {import("@preact/signals").Signal<SignedIn | null>} */
export const signedIn = signal(null);

signInTrouble.subscribe((trouble) => {
  if (trouble) signedIn.value = null;
});

/** Go on with the sign-in there is, or with the link that the address has (`#in=…`). */
export async function beginSignIn() {
  const link = /^#in=(.+)$/.exec(location.hash)?.[1];
  try {
    if (link) {
      history.replaceState(null, "", `${location.pathname}${location.search}`);
      signedIn.value = await ask("/api/sign-in", { method: "POST", body: { link } });
    } else {
      signedIn.value = await ask("/api/sign-in");
    }
  } catch (error) {
    const trouble = /** @type {ApiError} */ (error);
    const expected = !link && (trouble.code === "invalid_api_key" || knowsNoSignIn(trouble));
    signInTrouble.value = expected ? null : trouble;
  }
}

/** Sign in with a key. Throws `ApiError`. @param {string} key */
export async function signIn(key) {
  const who = await ask("/api/sign-in", { method: "POST", body: { key } }).catch((error) => withKeyInHand(key, error));
  signInTrouble.value = null;
  signedIn.value = who;
}

/** @param {ApiError} error */
const knowsNoSignIn = (error) => error.code === "not_found" || error.code === "method_not_allowed";

/** Go on with the key itself at a gateway that knows no sign-in. @param {string} key @param {ApiError} error @returns {Promise<SignedIn>} */
async function withKeyInHand(key, error) {
  if (!knowsNoSignIn(error)) throw error;
  holdKey(key);
  try {
    await ask("/api/keys");
  } catch (refused) {
    holdKey("");
    throw refused;
  }
  return { key_id: "", key_name: "", scope: "admin", expires_at: null, version: "" };
}

/** Sign out, here and at every gateway. */
export async function signOut() {
  await ask("/api/sign-in", { method: "DELETE" }).catch(() => {});
  holdKey("");
  signedIn.value = null;
}

/** Whether who is signed in may change anything. */
export const mayChange = () => signedIn.value?.scope !== "viewer";
