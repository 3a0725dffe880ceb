// Why a delivery is dead: the API's names, and what they mean.
export const REASONS = {
  exhausted: "every try of the schedule failed",
  gone: "the endpoint answered 410, or the webhook was deleted",
  disabled: "the webhook was disabled",
  blocked_destination: "policy refuses where it would go",
  no_secret: "the webhook has no usable signing secret",
  overloaded: "it waited 24 hours: its endpoint takes less than it is sent, or hardly any could be reached",
  undecodable: "its system or format is not known here",
};

export const FAULTS = { subscriber: "the subscriber's", tocsin: "Tocsin's" };

export const REASON_CHOICES = [["", "Any"], ...Object.keys(REASONS).map((reason) => [reason, reason])];
export const FAULT_CHOICES = [["", "Anybody's"], ["subscriber", "The subscriber's"], ["tocsin", "Tocsin's"]];
export const STATUS_CHOICES = [["", "Any"], ...["pending", "retrying", "delivered", "dead"].map((status) => [status, status])];
