// A file that is chosen fills the text beside it: the form works without this, by pasting.
for (const input of document.querySelectorAll("input[type=file][data-into]")) {
  const target = document.getElementById(input.dataset.into);
  input.closest("[hidden]")?.removeAttribute("hidden");
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file && target) target.value = await file.text();
  });
}
