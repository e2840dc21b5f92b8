// What scripts add to pages that are whole without them: more photos in place, a second try for a picture that failed,
// and feedback (what was seen, opened, downloaded) under a random name that only this browser knows.

const SEND_AFTER_MS = 2000;
const MOST_EVENTS = 200; // waiting to be sent; more are dropped
const TRIES_PER_PICTURE = 2;
const RETRY_AFTER_MS = 1500;

function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name under which this browser's events are kept; where nothing may be stored it lasts as long as the page. */
function nameOfThisBrowser() {
  try {
    const name = localStorage.getItem("photostock-user") || randomName();
    localStorage.setItem("photostock-user", name);
    return name;
  } catch {
    return randomName();
  }
}

const silent = navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
const userId = silent ? null : nameOfThisBrowser();
let waiting = [];
let timer = null;

function send() {
  clearTimeout(timer);
  timer = null;
  if (waiting.length === 0) return;
  const events = waiting;
  waiting = [];
  // Events are worth less than a page that works: what can't be sent is forgotten.
  fetch("/v1/feedback", {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ events }),
  }).catch(() => {});
}

function note(kind, photo, search) {
  if (silent || !search.query || waiting.length >= MOST_EVENTS) return;
  const event = { kind, query: search.query, photo_id: photo.id, user_id: userId, at: new Date().toISOString() };
  if (photo.position) event.position = Number(photo.position);
  if (search.servedBy) event.served_by = search.servedBy;
  if (search.requestId) event.request_id = search.requestId;
  waiting.push(event);
  timer ??= setTimeout(send, SEND_AFTER_MS);
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      note("impression", entry.target.dataset, entry.target.search);
    }
  },
  { threshold: 0.5 },
);

/** Watches the photos of a list; `search` is the answer that they belong to, since each page has one of its own. */
function watch(items, search) {
  if (!search.query) return;
  for (const item of items) {
    item.search = search;
    seen.observe(item);
    for (const kind of ["click", "auxclick"]) item.addEventListener(kind, () => note("click", item.dataset, search));
  }
}

function retryPictures(root) {
  for (const picture of root.querySelectorAll("img")) {
    let tries = 0;
    const again = () => {
      tries += 1;
      if (tries > TRIES_PER_PICTURE) return;
      setTimeout(() => {
        picture.srcset = picture.srcset;
      }, RETRY_AFTER_MS * tries);
    };
    picture.addEventListener("error", again);
    if (picture.complete && picture.naturalWidth === 0 && picture.loading !== "lazy") again();
  }
}

/** The next page's photos, fetched and hung below these; where that fails the link is followed as without scripts. */
async function appendNextPage(link) {
  const gallery = document.getElementById("gallery");
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("gallery");
    if (!answer.ok || !next) throw new Error("no photos");
    const items = Array.from(next.children, (item) => document.importNode(item, true));
    gallery.append(...items);
    watch(items, { ...next.dataset });
    for (const item of items) retryPictures(item);
    link.closest("nav").replaceWith(document.importNode(page.querySelector("nav.turning"), true));
    document.getElementById("count").textContent = `${items.length} more photos, ${gallery.children.length} on this page.`;
    items[0].querySelector("a").focus({ preventScroll: true });
  } catch {
    location.assign(link.href);
  }
}

document.addEventListener("click", (event) => {
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  const link = event.target.closest?.("nav.turning a[rel=next]");
  if (!link || !plain || !document.getElementById("gallery")) return;
  event.preventDefault();
  if (link.getAttribute("aria-busy") !== "true") appendNextPage(link);
});

const gallery = document.getElementById("gallery");
if (gallery) watch(gallery.children, { ...gallery.dataset });
const photo = document.querySelector("article.photo");
if (photo) document.getElementById("download").addEventListener("click", () => note("download", photo.dataset, photo.dataset));
retryPictures(document);
addEventListener("pagehide", send);
addEventListener("visibilitychange", () => document.visibilityState === "hidden" && send());
