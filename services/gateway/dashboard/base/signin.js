// Who is signed in: by the key, or by the one-time link that a terminal printed. Tabs tell each other.
import { signal } from "@preact/signals";
import { ApiError, ask, signInTrouble } from "./api.js";
import { followAddress, linkIn } from "./route.js";

/** @typedef {{key_id: string, key_name: string, scope: string, expires_at: string | null, version: string}} SignedIn */

/** Who is signed in; null: nobody. @type {import("@preact/signals").Signal<SignedIn | null>} */
export const signedIn = signal(null);

const channel = "BroadcastChannel" in self ? new BroadcastChannel(`tidegate sign-in ${location.pathname}`) : null;
channel?.addEventListener("message", ({ data }) => {
  if (data === "in" && !signedIn.value) beginSignIn();
  if (data === "out" && signedIn.value) signInTrouble.value = new ApiError("signed_out", "", 401);
});

signInTrouble.subscribe((trouble) => {
  if (trouble) signedIn.value = null;
});

/** Go on with the sign-in there is, or with the link that the address has (`#in=…`). */
export async function beginSignIn() {
  const link = linkIn(location.hash);
  try {
    if (link) {
      history.replaceState(null, "", `${location.pathname}${location.search}`);
      followAddress();
      signInTrouble.value = null;
      signedIn.value = await ask("/api/sign-in", { method: "POST", body: { link } });
    } else {
      signedIn.value = await ask("/api/sign-in");
    }
  } catch (error) {
    const trouble = /** @type {ApiError} */ (error);
    const expected = !link && trouble.code === "invalid_api_key";
    signInTrouble.value = expected ? null : trouble;
  }
}

// A link that is pasted into a tab that is open already.
addEventListener("hashchange", () => {
  if (linkIn(location.hash)) beginSignIn();
});

/** Sign in with a key. Throws `ApiError`. @param {string} key */
export async function signIn(key) {
  const who = await ask("/api/sign-in", { method: "POST", body: { key } });
  signInTrouble.value = null;
  signedIn.value = who;
  channel?.postMessage("in");
}

/** Sign out, here and at every gateway. */
export async function signOut() {
  await ask("/api/sign-in", { method: "DELETE" }).catch(() => {});
  signedIn.value = null;
  signInTrouble.value = null;
  channel?.postMessage("out");
}

/** Whether who is signed in may change anything. */
export const mayChange = () => signedIn.value?.scope !== "viewer";
