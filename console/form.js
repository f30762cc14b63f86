// Forms: labelled controls, and dialogs.

import { h } from './vendor/preact.js';
import { useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { t } from './i18n.js';
import { English, Failure } from './ui.js';

let fields = 0;
export const useId = () => useState(() => `f${(fields += 1)}`)[0];

/** A labelled control; `make(props)` makes the control itself. */
export function Field({ label, hint, error, make }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return h('div', { class: `field ${error ? 'wrong' : ''}` },
    h('label', { for: id }, label),
    hint && h('div', { class: 'hint', id: `${id}-hint` }, hint),
    make({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? 'true' : undefined }),
    error && h('div', { class: 'error', id: `${id}-error` }, error));
}

export const Text = ({ value, onInput, type = 'text', required, autocomplete = 'off', placeholder, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('input', {
      ...props, type, value, required, autocomplete, placeholder, spellcheck: false, autocapitalize: 'off',
      onInput: (event) => onInput(event.currentTarget.value),
    }),
  });

export const Area = ({ value, onInput, rows = 3, placeholder, spellcheck = true, readOnly, inputRef, onKeyDown, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('textarea', {
      ...props, value, rows, placeholder, spellcheck, readOnly, ref: inputRef, onKeyDown,
      onInput: (event) => onInput(event.currentTarget.value),
    }),
  });

/** `options` are `[value, words]`. */
export const Select = ({ value, onInput, options, required, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('select', { ...props, required, onChange: (event) => onInput(event.currentTarget.value) },
      options.map(([each, words]) => h('option', { value: each, selected: each === value }, words))),
  });

export function Check({ label, hint, error, checked, onInput }) {
  const id = useId();
  return h('div', { class: `field ${error ? 'wrong' : ''}` },
    h('label', { class: 'check' }, h('input', {
      type: 'checkbox', checked, 'aria-describedby': hint || error ? id : undefined, 'aria-invalid': error ? 'true' : undefined,
      onChange: (event) => onInput(event.currentTarget.checked),
    }), label),
    (hint || error) && h('div', { id, class: error ? 'error' : 'hint' }, error || hint));
}

/** A dialog of the browser: it keeps the focus within, and Escape closes it. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef();
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return h('dialog', { ref: dialog, 'aria-labelledby': id, onClose, onCancel: onClose },
    h('h2', { id }, title), children);
}

/** A form in a dialog; `send` may throw what the API answered, which is shown beside the fields. */
export function FormDialog({ title, confirm, onClose, send, children, danger }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await send();
      onClose();
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  return h(Dialog, { title, onClose },
    h('form', { onSubmit: submit },
      typeof children === 'function' ? children(fieldErrors(error)) : children,
      h(Failure, { error }),
      h('div', { class: 'row' },
        h('button', { type: 'submit', class: danger ? 'danger' : 'main', disabled: busy }, busy ? t('Please wait…') : confirm),
        h('button', { type: 'button', onClick: onClose }, t('Cancel')))));
}

/** The invalid fields of an error, by name; `isOurs` is a reason in the words of the page. */
export const fieldErrors = (error) =>
  Object.fromEntries((error?.details ?? []).map(({ field, reason, isOurs }) => [field, isOurs ? reason : h(English, null, reason)]));
