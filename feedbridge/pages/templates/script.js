
for (const button of document.querySelectorAll("button[data-address]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const address = new URL(button.dataset.address, document.baseURI).href;
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      const field = document.createElement("textarea"); // where there is no clipboard, as on plain HTTP
      field.value = address;
      button.after(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    document.querySelector(".said").textContent = button.dataset.said + " " + address;
  });
}
