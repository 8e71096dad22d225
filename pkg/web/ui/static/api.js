// Sends what the forms of the REST interface's page say, with the token of its field, and shows the answer as text.
"use strict";
(() => {
  const most = 500000; // characters of an answer that are shown
  const token = document.getElementById("token");
  const address = (form) => {
    let path = form.dataset.path;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("[data-in]")) {
      const name = input.dataset.name;
      if (input.dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(name, input.value);
    }
    const text = query.toString();
    return text ? `${path}?${text}` : path;
  };
  const pretty = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };
  for (const form of document.querySelectorAll("form[data-method]")) {
    form.querySelector("fieldset").disabled = false;
    const answer = form.parentElement.querySelector("[data-answer]");
    const show = (status, text) => {
      answer.hidden = false;
      answer.querySelector("[data-status]").textContent = status;
      answer.querySelector("[data-text]").textContent = text.length > most ? `${text.slice(0, most)}…` : text;
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!token.value.trim()) {
        show("Type an API token in first.", "");
        token.focus();
        return;
      }
      const button = form.querySelector("button");
      const body = form.querySelector("[data-body]");
      const headers = { Authorization: `Bearer ${token.value.trim()}` };
      if (body) headers["Content-Type"] = "application/json";
      button.disabled = true;
      show("Waiting for the answer…", "");
      try {
        const began = performance.now();
        const response = await fetch(address(form), {
          method: form.dataset.method, headers, body: body ? body.value : undefined, credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
        });
        const text = await response.text();
        show(`${response.status} ${response.statusText}, ${Math.round(performance.now() - began)} ms, ${response.headers.get("Content-Type") || "no body"}`, pretty(text));
      } catch (error) {
        show("It could not be sent, or the answer did not come.", String(error));
      } finally {
        button.disabled = false;
      }
    });
  }
})();
