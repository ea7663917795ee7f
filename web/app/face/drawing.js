/** The figure as SVG: what does not move, with places for what does. Drawn for this page; free like the rest of it. */

/** @typedef {import("./looks.js").Look} Look */

const SKIN = "#fff0e6";
const SKIN_SHADE = "#f6cdbb";

/** @param {Look} look @param {string} id makes the names of gradients its own: there may be several on a page */
const gradients = (look, id) => `
<defs>
  <linearGradient id="${id}-hair" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.hair}"/><stop offset="1" stop-color="${look.shade}"/></linearGradient>
  <linearGradient id="${id}-back" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.shade}"/><stop offset="1" stop-color="${look.deep}"/></linearGradient>
  <linearGradient id="${id}-iris" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${look.eyeDeep}"/><stop offset=".5" stop-color="${look.eye}"/>
    <stop offset="1" stop-color="${look.eye}"/></linearGradient>
  <radialGradient id="${id}-blush"><stop offset="0" stop-color="#ff7d95" stop-opacity=".75"/>
    <stop offset="1" stop-color="#ff7d95" stop-opacity="0"/></radialGradient>
  <linearGradient id="${id}-face" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${SKIN_SHADE}"/><stop offset=".34" stop-color="${SKIN}"/>
    <stop offset="1" stop-color="${SKIN}"/></linearGradient>
  <clipPath id="${id}-left"><path class="opening"/></clipPath>
  <clipPath id="${id}-right"><path class="opening"/></clipPath>
  <clipPath id="${id}-mouth"><path class="inside"/></clipPath>
</defs>`;

/** @param {Look} look @param {string} id */
function backHair(look, id) {
  const long = "M200 44C98 40 66 118 68 204C70 276 52 330 44 412C66 428 92 434 122 430L278 430C308 434 334 428 356 412C348 330 330 276 332 204C334 118 302 40 200 44Z";
  const short = "M200 44C100 40 70 116 72 204C73 262 70 306 92 336C118 352 150 346 166 330L234 330C250 346 282 352 308 336C330 306 327 262 328 204C330 116 300 40 200 44Z";
  return `<path fill="url(#${id}-back)" d="${look.long ? long : short}"/>`;
}

/** @param {Look} look */
const body = (look) => `
<g stroke-linejoin="round">
  <path fill="${SKIN_SHADE}" d="M176 306L176 372Q200 392 224 372L224 306Z"/>
  <path fill="${look.coat}" d="M78 480C80 410 116 384 172 366L200 398L228 366C284 384 320 410 322 480Z"/>
  <path fill="#fff" d="M168 364L200 402L160 424L140 382Q152 370 168 364ZM232 364L200 402L240 424L260 382Q248 370 232 364Z"/>
  <path fill="none" stroke="${look.coat}" stroke-width="3" d="M148 386L163 416L196 400M252 386L237 416L204 400"/>
  <path fill="${look.ribbon}" d="M200 404C182 392 166 396 164 408C164 424 184 426 200 412C216 426 236 424 236 408C234 396 218 392 200 404Z"/>
  <path fill="${look.ribbon}" d="M196 412L182 446L198 436L200 416L202 436L218 446L204 412Z"/>
  <circle cx="200" cy="409" r="7" fill="${look.ribbon}" stroke="#fff" stroke-opacity=".5" stroke-width="2"/>
  <path fill="none" stroke="#fff" stroke-opacity=".16" stroke-width="3" d="M112 480C114 440 122 420 134 408M288 480C286 440 278 420 266 408"/>
</g>`;

/** @param {string} id */
const head = (id) => `
<path fill="url(#${id}-face)" d="M112 196C110 250 126 292 158 318C178 334 190 340 200 340S222 334 242 318C274 292 290 250 288 196C286 128 248 108 200 108S114 128 112 196Z"/>
<path fill="${SKIN_SHADE}" opacity=".55" d="M176 334C190 344 210 344 224 334C216 350 208 354 200 354S184 350 176 334Z"/>
<g class="blush"><ellipse cx="140" cy="270" rx="26" ry="14" fill="url(#${id}-blush)"/>
  <ellipse cx="260" cy="270" rx="26" ry="14" fill="url(#${id}-blush)"/>
  <path stroke="#f0708c" stroke-opacity=".5" stroke-width="2" stroke-linecap="round" d="M132 272l5-8M141 273l5-8M254 273l5-8M263 272l5-8"/></g>
<path fill="none" stroke="#d99a8b" stroke-width="2" stroke-linecap="round" d="M198 272q3 4 5 1"/>`;

/** @param {string} id @param {"left" | "right"} side */
const eyeParts = (id, side) => `
<g transform="translate(${side === "left" ? 155 : 245} 236)${side === "left" ? "" : " scale(-1 1)"}">
  <path class="opening" fill="#fff"/>
  <g clip-path="url(#${id}-${side})">
    <rect x="-32" y="-40" width="64" height="22" fill="#cdbcd0" opacity=".5"/>
    <g class="iris ${side}"><ellipse rx="18.5" ry="25" fill="url(#${id}-iris)"/>
      <g class="pupil"><ellipse rx="8" ry="12" fill="#2a3048"/></g>
      <ellipse cy="14" rx="10" ry="6" fill="#fff" opacity=".28"/></g>
    <g class="shine ${side}"><ellipse cx="${side === "left" ? -7 : 7}" cy="-10" rx="6.5" ry="7.5" fill="#fff"/>
      <circle cx="${side === "left" ? 8 : -8}" cy="10" r="3.4" fill="#fff" opacity=".9"/></g>
  </g>
  <path class="lash" fill="#57323f"/>
  <path class="crease" fill="none" stroke="#c98d86" stroke-width="1.8" stroke-linecap="round"/>
  <path class="under" fill="none" stroke="#8d5a62" stroke-width="2" stroke-linecap="round"/>
</g>`;

/** @param {string} id */
const mouthParts = (id) => `
<g transform="translate(200 298)">
  <path class="inside" fill="#a83a4e"/>
  <g clip-path="url(#${id}-mouth)"><ellipse class="tongue" fill="#f08a93"/></g>
  <path class="line" fill="none" stroke="#8f3f4d" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/>
</g>`;

/** @param {Look} look @param {string} id */
const frontHair = (look, id) => `
<g stroke="${look.deep}" stroke-opacity=".35" stroke-width="1.5" stroke-linejoin="round">
  <path fill="url(#${id}-hair)" d="${look.long
    ? "M96 168C74 236 92 300 78 372C76 392 88 408 98 414C96 392 108 372 112 344C118 300 106 262 118 214ZM304 168C326 236 308 300 322 372C324 392 312 408 302 414C304 392 292 372 288 344C282 300 294 262 282 214Z"
    : "M96 168C76 226 84 282 92 322C98 334 108 338 116 336C110 314 112 262 120 214ZM304 168C324 226 316 282 308 322C302 334 292 338 284 336C290 314 288 262 280 214Z"}"/>
  <path fill="url(#${id}-hair)" d="M200 36C116 32 76 96 86 196C88 214 92 226 98 236C102 214 112 192 128 172C126 194 130 208 136 220C142 194 156 172 174 154C172 178 176 196 184 214C188 188 198 168 212 152C214 176 222 196 234 210C234 188 240 172 244 158C256 176 266 196 268 220C276 208 278 194 276 176C290 194 298 214 302 236C308 226 312 214 314 196C324 96 284 32 200 36Z"/>
</g>
<path fill="none" stroke="${look.shine}" stroke-width="9" stroke-linecap="round" opacity=".75" d="M122 112C134 96 150 86 168 82M184 78q8 -2 14 -2"/>
<path fill="none" stroke="${look.deep}" stroke-opacity=".4" stroke-width="1.6" stroke-linecap="round" d="M200 40C180 72 172 110 174 152M206 40C226 76 240 116 244 156M192 40C160 60 136 110 129 170M214 40C250 66 270 120 276 174"/>
<path fill="url(#${id}-hair)" stroke="${look.deep}" stroke-opacity=".35" stroke-width="1.5" d="M196 40C188 22 196 10 214 6C208 16 212 24 220 28C214 32 208 36 204 42Z"/>
<g transform="translate(284 128) rotate(24)">
  <path fill="${look.clip}" stroke="#fff" stroke-width="3" stroke-linejoin="round" d="M0 -18C14 -18 19 -12 17 -3C14 8 6 17 0 19C-6 17 -14 8 -17 -3C-19 -12 -14 -18 0 -18Z"/>
  <path fill="#fff" opacity=".85" d="M0 -10L2.6 -3.4L9 -3L4 1.2L5.8 8L0 4.2L-5.8 8L-4 1.2L-9 -3L-2.6 -3.4Z"/>
</g>`;

/** Small signs of an emotion, as comics have them; one is shown at a time. */
const MARKS = `
<path class="mark sweat" fill="#9fd8f2" stroke="#5aa7cc" stroke-width="1.5" d="M296 168C286 186 286 198 296 199S306 186 296 168Z"/>
<path class="mark tear" fill="#a9def5" stroke="#6bb4d8" stroke-width="1.3" d="M134 262C126 276 126 286 134 287S142 276 134 262Z"/>
<g class="mark vein" fill="none" stroke="#e2455f" stroke-width="5" stroke-linecap="round"><path d="M292 66q10 -2 11 -13M309 53q1 11 12 12M321 72q-11 1 -12 12M303 84q-1 -11 -12 -11"/></g>
<g class="mark sparkle" fill="#ffd166"><path d="M74 92l5 13 13 5 -13 5 -5 13 -5 -13 -13 -5 13 -5Z"/><path d="M338 208l3 9 9 3 -9 3 -3 9 -3 -9 -9 -3 9 -3Z"/><path d="M98 62l2.4 6.4 6.4 2.4 -6.4 2.4 -2.4 6.4 -2.4 -6.4 -6.4 -2.4 6.4 -2.4Z"/></g>
<g class="mark gloom" stroke="#8c93b8" stroke-width="3" stroke-linecap="round" opacity=".7"><path d="M150 190v20M162 186v26M174 190v18M226 190v18M238 186v26M250 190v20"/></g>`;

/** @param {Look} look @param {string} id */
export function drawing(look, id) {
  const brows = ["left", "right"].map((side) => `
<g transform="translate(${side === "left" ? 154 : 246} 194)${side === "left" ? "" : " scale(-1 1)"}"><path class="brow" fill="${look.deep}"/></g>`);
  return `<svg viewBox="0 0 400 460" aria-hidden="true" focusable="false">${gradients(look, id)}
<g class="figure"><g class="swing">${backHair(look, id)}</g>${body(look)}
<g class="head">${head(id)}${eyeParts(id, "left")}${eyeParts(id, "right")}${mouthParts(id)}${frontHair(look, id)}
${brows.join("")}${MARKS}</g></g></svg>`;
}

