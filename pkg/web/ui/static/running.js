// Shows how far a scan is, as the server tells, and its result once that is there.
"use strict";
(() => {
  const list = document.querySelector("[data-events]");
  if (!list || !window.EventSource) return;
  const sum = document.querySelector("[data-sum]");
  const source = new EventSource(list.dataset.events);
  source.addEventListener("state", (event) => {
    let done = 0;
    const images = JSON.parse(event.data);
    images.forEach((image, position) => {
      const row = list.querySelector(`[data-image="${position}"]`);
      row.querySelector("[data-state]").textContent = image.state;
      row.querySelector("[data-text]").textContent = image.text;
      row.querySelector("progress").value = image.percent;
      if (image.state !== "Waiting" && image.state !== "Running") done++;
    });
    const text = `${done} of ${images.length} images are done.`;
    if (sum.textContent !== text) sum.textContent = text;
  });
  source.addEventListener("done", () => {
    source.close();
    location.reload();
  });
  source.addEventListener("error", () => {
    // Where the browser does not connect again by itself, such as after a logout, the page tells what is wrong.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
})();
