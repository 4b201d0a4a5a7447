{#- A term's place in its year, in quarters from 1: 0 for none, NULL for no number, season or month. -#}
{% macro term_rank(term) -%}
    {%- set first_months = 'jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?' -%}
    {%- set last_months = 'july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?' -%}
    case
        when {{ term }} is null then 0
        -- a month, in two digits, stands within its quarter
        when {{ matches(term, "'[0-9]{2}'") }} then round(1 + ({{ whole_number(term) }} - 1) / 3, 2)
        when {{ matches(term, "'" ~ first_months ~ "|" ~ last_months ~ "'") }}
            then round(1 + (instr('janfebmaraprmayjunjulaugsepoctnovdec', left({{ term }}, 3)) - 1) / 9, 2)
        when {{ term }} in ('winter', 'wi', 'w', 'jfma', 'efma') then 1
        when {{ term }} in ('spring', 'sp', 's', 'mjja', 'amj') then 2
        when {{ term }} in ('summer', 'su', 'sond', 'jas') then 3
        when {{ term }} in ('fall', 'autumn', 'fa', 'f', 'ond') then 4
        else {{ whole_number(term) }}
    end
{%- endmacro %}
