"use strict";
// Passkeys: asks the service for options, the browser for an answer, and sends the form with it. Nothing is kept.

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const readable = (options) => {
  const known = (list) => (list || []).map((item) => ({ ...item, id: bytesOf(item.id) }));
  const made = { ...options, challenge: bytesOf(options.challenge) };
  if (options.user) made.user = { ...options.user, id: bytesOf(options.user.id) };
  if (options.excludeCredentials) made.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) made.allowCredentials = known(options.allowCredentials);
  return made;
};

const written = (credential) => {
  const response = { clientDataJSON: textOf(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = textOf(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response });
};

document.querySelectorAll("form[data-passkey]").forEach((form) => {
  if (!window.PublicKeyCredential) return;
  const purpose = form.dataset.passkey;
  const field = form.querySelector("[data-passkey-answer]") || form.querySelector("[name=factor_passkey]");
  const status = form.querySelector("[data-passkey-status]");
  form.hidden = false;
  form.querySelectorAll("[data-passkey-only]").forEach((node) => { node.hidden = false; });
  form.querySelector("[data-passkey-go]").addEventListener("click", async () => {
    status.textContent = "Waiting for your device …";
    try {
      const body = new URLSearchParams({ purpose, csrfmiddlewaretoken: form.querySelector("[name=csrfmiddlewaretoken]").value });
      const answer = await fetch(form.dataset.options, { method: "POST", body, credentials: "same-origin" });
      if (!answer.ok) throw new Error("refused");
      const publicKey = readable((await answer.json()).publicKey);
      const credential = await (purpose === "add" ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
      field.value = written(credential);
      form.submit();
    } catch (error) {
      status.textContent = error.name === "InvalidStateError" ? "This device already holds a passkey of yours." : "No passkey was used. Try again, or use a code.";
    }
  });
});
