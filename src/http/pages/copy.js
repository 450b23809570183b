
"use strict";
const key = document.getElementById("key");
const copy = document.getElementById("copy");
const copied = document.getElementById("copied");

async function put() {
  try {
    await navigator.clipboard.writeText(key.value);
    return true;
  } catch {
    // Without https there is no clipboard for pages, except this old way.
    key.select();
    return document.execCommand("copy");
  }
}

copy.addEventListener("click", async () => {
  copied.textContent = (await put()) ? "Copied." : "Select the key and copy it by hand.";
});
key.addEventListener("focus", () => key.select());
copy.hidden = false;
