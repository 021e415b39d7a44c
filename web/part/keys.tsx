import { useEffect, useRef } from 'preact/hooks';
import { usePage } from '../state/store.ts';

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');

const isShown = (element: HTMLElement): boolean => element.offsetParent !== null;

/** The places of a list that is walked: that with the focus in it, else the first that is shown. */
function walkOf(): readonly HTMLElement[] {
  const list = document.activeElement?.closest('[data-walk]') ?? document.querySelector('[data-walk]');
  return [...(list?.querySelectorAll<HTMLElement>('a, button') ?? [])].filter(isShown);
}

/** Moves the focus in a list by so many places; it does not go round. */
function walk(by: 1 | -1): void {
  const places = walkOf();
  const at = places.indexOf(document.activeElement as HTMLElement);
  const current = places.findIndex((place) => place.matches('[aria-current="page"], [aria-pressed="true"]'));
  const next = at >= 0 ? at + by : Math.max(0, current);
  places[Math.min(places.length - 1, Math.max(0, next))]?.focus();
}

/** Puts the focus into the filter of the part that has it, else of the first part that is shown. */
function toFilter(): void {
  const part = document.activeElement?.closest('.place, nav');
  const filters = [...document.querySelectorAll<HTMLInputElement>('[data-filter]')].filter(isShown);
  (filters.find((filter) => part?.contains(filter)) ?? filters[0])?.focus();
}

/** Single keys, where they are switched on: `/` filters, `j` and `k` move in lists; arrows move there too. */
export function useKeys(): void {
  const { singleKeys } = usePage();
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') !== null) return;
      if (event.key === 'Escape' && event.target instanceof HTMLInputElement && event.target.matches('[data-filter]')) {
        event.target.blur();
        return;
      }
      if (isTyping(event.target)) return;
      const inWalk = document.activeElement?.closest('[data-walk]') !== null;
      const isArrow = event.key === 'ArrowDown' || event.key === 'ArrowUp';
      if (isArrow && inWalk) {
        event.preventDefault();
        walk(event.key === 'ArrowDown' ? 1 : -1);
      } else if (singleKeys.value && event.key === '/') {
        event.preventDefault();
        toFilter();
      } else if (singleKeys.value && (event.key === 'j' || event.key === 'k')) {
        walk(event.key === 'j' ? 1 : -1);
      }
    };
    document.addEventListener('keydown', down);
    return () => document.removeEventListener('keydown', down);
  }, [singleKeys]);
}

/** Which keys there are, and the switch for them. */
export function KeysHelp() {
  const { singleKeys } = usePage();
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" class="plain" onClick={() => dialog.current?.showModal()}>
        keys
      </button>
      <dialog ref={dialog} aria-labelledby="keys">
        <h2 id="keys">keys</h2>
        <dl class="rows">
          <div>
            <dt>
              <kbd>/</kbd>
            </dt>
            <dd>filter what has the focus: servers, tools, lines</dd>
          </div>
          <div>
            <dt>
              <kbd>j</kbd> <kbd>k</kbd>
            </dt>
            <dd>next and previous in a list; Enter opens</dd>
          </div>
          <div>
            <dt>
              <kbd>←</kbd> <kbd>→</kbd>
            </dt>
            <dd>from tab to tab</dd>
          </div>
          <div>
            <dt>
              <kbd>Ctrl</kbd> <kbd>Enter</kbd>
            </dt>
            <dd>call the tool from any of its fields</dd>
          </div>
        </dl>
        <label class="switch">
          <input
            type="checkbox"
            checked={singleKeys.value}
            onChange={({ currentTarget }) => {
              singleKeys.value = currentTarget.checked;
            }}
          />{' '}
          single keys are shortcuts
        </label>
        <div class="row end">
          <button type="button" onClick={() => dialog.current?.close()}>
            close
          </button>
        </div>
      </dialog>
    </>
  );
}
